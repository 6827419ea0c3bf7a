"""The Dagster UI behind the application's sign-in: a process of its own, with the daemon and the code server.

Belongs here: Dagster's web server with the rights of who asks, and the process that runs it. Does not belong here: who
gets through (`ops_gate`) and how the process is watched (`serve`).

Looking is for who has the permission LINEAGE; whoever has OPERATE may also start runs, backfills, sensors and
schedules. Dagster decides it per request by `read_only` of the context that it makes for each; stock, that is one
setting for the process. It takes private modules of Dagster, whose minor version is pinned; a test holds them to it.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

from emma_platform.pipeline.priority import stand_back
from emma_platform.settings import Settings
from emma_platform.web import logs
from emma_platform.web.auth import sessions
from emma_platform.web.auth.cookies import token_in
from emma_platform.web.auth.signed import Signed
from emma_platform.web.auth.state import Auth
from emma_platform.web.ops_gate import PREFIX, Behind, Gate
from emma_platform.web.ops_link import sign_in_address

LOOK_SECONDS = 2.0
"""How often older data, which moves the first partition, and the daemon's life are looked at."""


def create_ops_app(
    behind: ASGIApp, find: Callable[[HTTPConnection], Signed | None], *, application_port: int, own_port: int
) -> ASGIApp:
    """Dagster's application, or what stands for it while it starts, behind the gate."""
    to_sign_in = partial(sign_in_address, application_port=application_port, own_port=own_port)
    return Gate(behind, find=find, sign_in=to_sign_in)


def dagster_app(stack: ExitStack, settings: Settings) -> tuple[ASGIApp, Callable[[], bool]]:
    """Dagster's application over running services, and a look after them, which is false when they died.

    `stack` ends them.
    """
    from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
    from dagster._utils.log import configure_loggers
    from dagster_webserver.app import create_app_from_workspace_process_context
    from dagster_webserver.version import __version__

    from emma_platform.model.access import Permission
    from emma_platform.pipeline.instance import MODULE, FirstDay
    from emma_platform.pipeline.services import services

    class Context(WorkspaceProcessContext):
        """Makes a context for each request, with the rights of who asks."""

        def create_request_context(self, source: object | None = None) -> WorkspaceRequestContext:
            signed = getattr(source.state, "signed", None) if isinstance(source, HTTPConnection) else None
            return WorkspaceRequestContext(
                instance=self.instance,
                current_workspace=self.get_current_workspace(),
                process_context=self,
                version=self.version,
                source=source,
                read_only=signed is None or Permission.OPERATE not in signed.permissions,
            )

    configure_loggers(formatter="colored", log_level="ERROR")
    running = stack.enter_context(services(settings))
    running.instance.optimize_for_webserver(statement_timeout=15_000, pool_recycle=3_600, max_overflow=20)
    context = stack.enter_context(
        Context(running.instance, running.workspace, version=__version__, read_only=True, code_server_log_level="error")
    )
    first_day = FirstDay(settings)

    def look() -> bool:
        if older := first_day.older():
            context.reload_code_location(MODULE)
            first_day.shown = older
        return running.daemon.poll() is None

    return create_app_from_workspace_process_context(context, PREFIX, live_data_poll_rate=2_000), look


def main(listening: str, application: str, *tls: str) -> int:
    """Run the UI, daemon and code server until standard input ends or a signal comes.

    Args:
        listening: the descriptor of an inherited socket that listens already, so that nobody who comes while this
            process starts is refused.
        application: the application's address, where people sign in.
        tls: the files of the certificate and of its key; none for plain HTTP.

    Returns:
        The exit status: 1 when a service died.
    """
    settings = Settings()
    stand_back(settings.batch_nice)
    logs.configure(settings.request_log)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=_until_closed, args=(ended,), daemon=True).start()
    behind = Behind()
    # Dagster's own processes must not keep the port open.
    opened = socket.socket(fileno=int(listening))
    opened.set_inheritable(False)
    application_port, own_port = urlsplit(application).port or 0, opened.getsockname()[1]
    find = finder(settings)
    app = create_ops_app(behind, find, application_port=application_port, own_port=own_port)
    certificate, key = (*map(Path, tls), None, None)[:2]
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, lifespan="off",
        proxy_headers=bool(settings.trusted_proxies), forwarded_allow_ips=settings.trusted_proxies or None,
        ssl_certfile=certificate, ssl_keyfile=key, timeout_graceful_shutdown=2,
    )  # fmt: skip
    server = uvicorn.Server(config)
    # It answers at once, that Dagster is starting, whose imports take seconds; signals are for this thread.
    serving = threading.Thread(target=lambda: asyncio.run(server.serve([opened])))
    serving.start()
    died = False
    try:
        with ExitStack() as stack:
            behind.app, look = dagster_app(stack, settings)
            while not died and not ended.wait(LOOK_SECONDS):
                died = not look() or not serving.is_alive()
    finally:
        server.should_exit = True
        serving.join()
    if died:
        logging.getLogger(__name__).error("Dagster's daemon or its UI ended by itself")
    return int(died)


def _until_closed(ended: threading.Event) -> None:
    """Whoever started this process ends it by closing its standard input, or by dying."""
    sys.stdin.buffer.read()
    ended.set()


def finder(settings: Settings) -> Callable[[HTTPConnection], Signed | None]:
    """Finds whose session a request bears, in the same database as the application.

    Only a visit counts as use of the session: a page of Dagster asks every two seconds, and would keep it for ever.
    """
    auth = Auth.of(settings)

    def find(asked: HTTPConnection) -> Signed | None:
        token = token_in(asked)
        if token is None:
            return None
        now = auth.clock()
        with auth.database.reading() as connection:
            session = sessions.find(connection, token, now, auth.ages)
        if session is None:
            return None
        if asked.headers.get("sec-fetch-mode") == "navigate" and now - session.last_used_at >= sessions.NOTED_EVERY:
            with auth.database.writing() as connection:
                sessions.note_use(connection, session.id, now)
        return session.signed

    return find


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
