"""The Dagster instance of a home: its folder, its settings, its processes.

Belongs here: preparing `dagster/` in a home and starting UI and daemon on it
(https://docs.dagster.io/deployment/oss/dagster-instance). Does not belong here: running the assets (`run`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import dagster as dg

from emma_platform.pipeline.event_log import BATCH_SIZE
from emma_platform.settings import Settings

CONFIG = "dagster.yaml"


def prepare(settings: Settings) -> dict[str, str]:
    """Make the home's Dagster folder, and return the environment that its processes need."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    config = settings.dagster_home / CONFIG
    if not config.exists():
        config.write_text(default_config(), encoding="utf-8")
    return {
        "EMMA_HOME": str(settings.home.absolute()),
        "DAGSTER_HOME": str(settings.dagster_home.absolute()),
        "DAGSTER_EVENT_BATCH_SIZE": str(BATCH_SIZE),
    }


def default_config() -> str:
    """The project's dagster.yaml, from the checkout or from the installed package."""
    beside = Path(__file__).parents[2] / CONFIG
    return (
        beside.read_text(encoding="utf-8") if beside.exists() else files("emma_platform").joinpath(CONFIG).read_text()
    )


@contextmanager
def instance_of(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The home's instance, in this process."""
    os.environ.update(prepare(settings))
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        yield instance


def serve(settings: Settings, *, host: str, port: int) -> None:
    """Run the Dagster UI and daemon until Ctrl-C."""
    for folder in (settings.landing, settings.published):
        folder.mkdir(parents=True, exist_ok=True)
    command = [str(Path(sys.executable).with_name("dagster")), "dev", "-m", "emma_platform.definitions"]
    command += ["--host", host, "--port", str(port), "--log-level", "warning"]
    process = subprocess.Popen(command, env=os.environ | prepare(settings))  # noqa: S603 - our own command
    try:
        process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait()
