"""Dagster's services on a home, without its UI: the code server and the daemon that takes files and starts runs.

Belongs here: starting and ending them. Does not belong here: the UI (`instance.serve` for development, `web.ops` behind
the sign-in).

What `dagster dev` starts (dagster/_cli/dev.py), one by one: there the UI comes with them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import yaml
from dagster._cli.proxy_server_manager import ProxyServerManager
from dagster._core.workspace.load_target import ModuleTarget, WorkspaceFileTarget
from dagster_shared.ipc import get_ipc_shutdown_pipe, open_ipc_subprocess, send_ipc_shutdown_message

from emma_platform.pipeline.instance import MODULE, prepare
from emma_platform.settings import Settings

PATIENCE_SECONDS = 60
"""How long the daemon may take to end before it is killed."""


@dataclass(frozen=True)
class Services:
    """What runs.

    Attributes:
        instance: the home's instance.
        workspace: where the code server answers, for the UI.
        daemon: the daemon's process.
    """

    instance: dg.DagsterInstance
    workspace: WorkspaceFileTarget
    daemon: subprocess.Popen[bytes]


@contextmanager
def services(settings: Settings) -> Iterator[Services]:
    """Run code server and daemon while the block runs, then end every process that they started."""
    for folder in (settings.landing, settings.published):
        folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(prepare(settings))
    with ExitStack() as stack:
        instance = stack.enter_context(dg.DagsterInstance.from_config(str(settings.dagster_home)))
        target = ModuleTarget(MODULE, attribute=None, working_directory=str(Path.cwd()), location_name=None)
        servers = stack.enter_context(ProxyServerManager(instance, target, "error"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="emma-workspace-")))
        file = folder / "workspace.yaml"
        file.write_text(yaml.dump({"load_from": servers.get_code_server_specs()}), encoding="utf-8")
        daemon = stack.enter_context(_daemon(file))
        yield Services(instance, WorkspaceFileTarget([str(file)]), daemon)


@contextmanager
def _daemon(workspace: Path) -> Iterator[subprocess.Popen[bytes]]:
    reading, writing = get_ipc_shutdown_pipe()
    command = [sys.executable, "-m", "dagster._daemon", "run", "--log-level", "error"]
    command += ["--shutdown-pipe", str(reading), "--workspace", str(workspace)]
    process = open_ipc_subprocess(command, pass_fds=[reading])
    try:
        yield process
    finally:
        send_ipc_shutdown_message(writing)
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
