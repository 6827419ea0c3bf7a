"""The web application as processes: workers that share a socket, replaced when they die, ended when they are done.

Belongs here: starting, watching and ending processes, and what the console is told. Does not belong here: the
application (`app`) and the Dagster UI (`ops`).

The workers are uvicorn's (https://www.uvicorn.org/deployment/#built-in): started anew, not forked, because neither
DuckDB nor threads live through a fork. They learn the settings from the environment, as all of the platform does.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import ssl
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from ipaddress import ip_address
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import SecretStr
from uvicorn.config import STARTUP_FAILURE, Config
from uvicorn.supervisors import Multiprocess

from emma_platform.serving.publication import ServingError, current
from emma_platform.settings import Settings
from emma_platform.web.auth import users
from emma_platform.web.auth.breached import Breached, HashFileError
from emma_platform.web.auth.database import UserDatabase
from emma_platform.web.auth.seal import KeyFileError, Seal
from emma_platform.web.companion import Companion

if TYPE_CHECKING:
    from fastapi import FastAPI

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where workers keep their metrics; not imported from `metrics`, which would read it before it is set."""

FINISH_SECONDS = 30
"""How long a worker may take to finish open requests when it is to end."""

START_SECONDS = 60
"""How long a worker may take until it answers; 3 s on a quiet machine."""

SWITCH_SECONDS = 0.001
"""How long a thread that computes may keep those that answer waiting. A page changes threads some ten times: beside a
thread that makes a new publication ready its median is 91 ms with Python's 5 ms and 51 ms with this, on busy cores."""


class ServeError(click.ClickException):
    """The application cannot be served; the message says what to do."""


def serve(
    settings: Settings,
    *,
    host: str,
    port: int,
    workers: int,
    certificate: Path | None = None,
    key: Path | None = None,
    dagster_port: int | None = None,
    note: str = "",
    factory: str = "emma_platform.web.serve:application",
) -> None:
    """Serve the application until Ctrl-C or SIGTERM; open requests are finished first.

    Args:
        settings: the home and the settings; workers get them by the environment.
        host: the address to listen on.
        port: the port; 0 takes a free one.
        workers: processes that answer; at least 1.
        certificate: a file with the TLS certificate and its chain; None serves plain HTTP.
        key: the file with its key; None when the certificate's file holds it.
        dagster_port: the port of the Dagster UI and daemon that run beside; None runs neither.
        note: more to say when it can be reached.
        factory: module and function that make the application in each worker.

    Raises:
        ServeError: the port is taken, the certificate, the key of secrets or the file of breached passwords is
            unusable, or the workers cannot start.
    """
    scheme = "https" if certificate else "http"
    if certificate:
        _check(certificate, key)
    try:
        Seal.of(settings.secrets_key_file)
        Breached.of(settings.breached_passwords_file)
    except (KeyFileError, HashFileError) as error:
        raise ServeError(str(error)) from error
    listening = _listen(host, port, "--port")
    address = f"{scheme}://{_in_url(host)}:{listening.getsockname()[1]}"
    _warn(settings, host, secure=bool(certificate) or bool(settings.trusted_proxies))
    for_dagster = None if dagster_port is None else _listen(host, dagster_port, "--dagster-port")
    if for_dagster is not None:
        settings = settings.model_copy(update={"dagster_port": for_dagster.getsockname()[1]})
    dagster = f"Dagster, some seconds later: {address}/dagster" if for_dagster else ""
    ready = "\n".join(line for line in (f"Ready: {address}", dagster, note, "Ctrl-C stops.") if line)
    config = Config(
        factory,
        factory=True,
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        timeout_graceful_shutdown=FINISH_SECONDS,
    )
    with _environment(settings), listening, for_dagster or nullcontext():
        companions = []
        if for_dagster is not None:
            arguments = ["emma_platform.web.ops", str(for_dagster.fileno()), address]
            arguments += [str(file) for file in (certificate, key) if file]
            companions.append(Companion(arguments, [for_dagster.fileno()]))
        supervisor = _Workers(config, [listening], ready, companions)
        click.echo(f"Starting on {address} ...")
        supervisor.run()
    if supervisor.failed:
        raise ServeError("the workers cannot start; the lines above say why")
    click.echo("Stopped.")


def application() -> FastAPI:
    """The application of one worker, with the settings of the environment."""
    from emma_platform.web.app import create_app
    from emma_platform.web.logs import configure

    sys.setswitchinterval(SWITCH_SECONDS)
    settings = Settings()
    configure(settings.request_log)
    if multiprocessing.parent_process() is not None:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    return create_app(settings)


def _end_with_parent() -> None:
    """A worker whose supervisor was killed would keep the port for ever: end it as if it had been told."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


class _Workers(Multiprocess):
    """Uvicorn's supervisor, which also says when the workers answer, and whether they could not start."""

    def __init__(self, config: Config, sockets: list[socket.socket], ready: str, companions: list[Companion]) -> None:
        super().__init__(config, sockets)
        self._ready = ready
        self._companions = companions
        self.failed = False

    def init_processes(self) -> None:
        super().init_processes()
        if all(process.wait_until_ready(START_SECONDS) for process in self.processes):
            click.echo(self._ready)
        # After the workers, so that the page is there first: Dagster takes 10 s of CPU to start.
        for companion in self._companions:
            companion.start()

    def keep_subprocess_alive(self) -> None:
        super().keep_subprocess_alive()
        self.failed = any(process.exitcode == STARTUP_FAILURE for process in self.processes)
        for companion in self._companions:
            companion.keep()

    def terminate_all(self) -> None:
        for companion in self._companions:
            companion.end()
        super().terminate_all()
        click.echo("Finishing open requests ...")

    def join_all(self) -> None:
        super().join_all()
        for companion in self._companions:
            companion.join()


@contextmanager
def _environment(settings: Settings) -> Iterator[None]:
    """What the workers find in their environment: the settings that were chosen, and a folder for their metrics."""
    before = dict(os.environ)
    chosen = {name: getattr(settings, name) for name in settings.model_fields_set}
    for name, value in (chosen | {"home": settings.home.absolute()}).items():
        if value is not None:
            os.environ[f"EMMA_{name.upper()}"] = (
                value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            )
    with tempfile.TemporaryDirectory(prefix="emma-metrics-") as folder:
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _listen(host: str, port: int, option: str) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ServeError(f"cannot listen on {host}, port {port}: {error.strerror}; choose another {option}") from error
    listening.set_inheritable(True)
    return listening


def _check(certificate: Path, key: Path | None) -> None:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ServeError(
            f"{certificate} and its key cannot be used: {error}; check --tls-cert and --tls-key"
        ) from error


def _warn(settings: Settings, host: str, *, secure: bool) -> None:
    """Say what will not work yet, and what is not safe."""
    if not secure and not _is_loopback(host):
        click.echo(
            f"Warning: {host} can be reached by others, and without TLS they can read along; give --tls-cert, or "
            "listen on 127.0.0.1 behind a proxy that has a certificate (EMMA_TRUSTED_PROXIES).",
            err=True,
        )
    try:
        published = current(settings.published) is not None
    except ServingError as error:
        raise ServeError(str(error)) from error
    if not published:
        click.echo(f"Nothing is published yet: drop files into {settings.landing} and run `emma update`.", err=True)
    database = UserDatabase(settings.users)
    with database.reading() as connection:
        if not users.everyone(connection):
            click.echo("Nobody can sign in yet: `emma user add NAME --role owner` makes the first user.", err=True)
    database.close()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
