"""The Dagster instance of a home: its folder, its settings, its processes.

Belongs here: preparing `dagster/` in a home and running UI and daemon on it
(https://docs.dagster.io/deployment/oss/dagster-instance). Does not belong here: running the assets (`run`).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import threading
import time
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from importlib.resources import files
from pathlib import Path

import click
import dagster as dg
from filelock import FileLock
from sqlalchemy.exc import SQLAlchemyError

from emma_platform.pipeline.build import partitions_start
from emma_platform.pipeline.event_log import BATCH_SIZE
from emma_platform.serving.publication import current, replace_by
from emma_platform.settings import Settings

CONFIG = "dagster.yaml"
DATABASES = ("history", "schedules")
"""The folders, below DAGSTER_HOME, of Dagster's databases on SQLite."""
MODULE = "emma_platform.definitions"
LOOK_SECONDS = 2
RELOAD = f'mutation {{ reloadRepositoryLocation(repositoryLocationName: "{MODULE}") {{ __typename }} }}'


def prepare(settings: Settings) -> dict[str, str]:
    """Make the home's Dagster folder, and return the environment that its processes need.

    Raises:
        OSError: it cannot be written; the error names the file.
    """
    folder = settings.dagster_home.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "prepare.lock"):
        if not (folder / CONFIG).exists():
            replace_by(folder / CONFIG, default_config().encode())
        _make_databases(folder)
    return {
        "EMMA_HOME": str(settings.home.absolute()),
        "DAGSTER_HOME": str(folder),
        "DAGSTER_EVENT_BATCH_SIZE": str(BATCH_SIZE),
    }


def _make_databases(folder: Path) -> None:
    """Make Dagster's databases elsewhere and move them into place whole.

    Dagster makes them in many steps: processes that begin at once, or one that dies on the way, leave databases that
    no later process can open ("more than one head present").
    """
    if all((folder / name).exists() for name in DATABASES):
        return
    fresh = folder / ".fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    with dg.DagsterInstance.local_temp(str(fresh)) as instance:
        instance.event_log_storage.get_maximum_record_id()
    for name in DATABASES:
        if not (folder / name).exists():
            (fresh / name).replace(folder / name)
    shutil.rmtree(fresh)


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
    """Run the Dagster UI and daemon until Ctrl-C or SIGTERM, then end every process that they started.

    Raises:
        OSError: the port is taken.
    """
    from dagster._cli.dev import dev_command

    for folder in (settings.landing, settings.published):
        folder.mkdir(parents=True, exist_ok=True)
    with socket.create_server((host, port)):
        pass
    os.environ.update(prepare(settings))
    url = f"http://{host}:{port}"
    click.echo(f"Starting the Dagster UI on {url} ...")
    threading.Thread(target=_accompany, args=(url, settings, FirstDay(settings)), daemon=True).start()
    # Set here, so that they hold also for a process started in the background, where a shell ignores SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    with warnings.catch_warnings(), suppress(KeyboardInterrupt):
        warnings.simplefilter("ignore", dg.SupersessionWarning)
        # In this process: one import of Dagster and one process less than `dagster dev` as a command.
        dev_command.main(
            ["-m", MODULE, "--host", host, "--port", str(port), "--log-level", "error"], standalone_mode=False
        )
    click.echo("Stopped.")


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


class FirstDay:
    """The first day that the definitions show: data older than it, once it came in, asks for loading them anew."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.shown = partitions_start(settings)

    def older(self) -> date | None:
        """The first day to show where that is older than what is shown.

        There is none before the first publication: a run may be about to make the ledger.
        """
        if current(self._settings.published) is None:
            return None
        try:
            first = partitions_start(self._settings)
        except SQLAlchemyError:  # busy: the next look will do
            return None
        return first if first < self.shown else None


def _accompany(url: str, settings: Settings, first_day: FirstDay) -> None:
    """Say when the UI answers; whenever data older than its first day came in, let it load the definitions anew."""
    while _answer(f"{url}/server_info") is None:
        time.sleep(LOOK_SECONDS / 4)
    click.echo(f"Ready: {url}\nDrop files into {settings.landing}. Ctrl-C stops.")
    while True:
        time.sleep(LOOK_SECONDS)
        older = first_day.older()
        if older and "WorkspaceLocationEntry" in (_answer(f"{url}/graphql", {"query": RELOAD}) or ""):
            first_day.shown = older


def _answer(url: str, body: object = None) -> str | None:
    """What the server says, or None when it does not answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})  # noqa: S310 - our own server
    try:
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            return str(response.read(), "utf-8")
    except OSError:
        return None
