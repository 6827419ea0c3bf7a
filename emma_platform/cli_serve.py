"""The verbs that run until Ctrl-C: the page for everybody, Dagster for who develops, the demo.

Belongs here: their options. Does not belong here: the other verbs (`cli`) and any work.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emma_platform.cli_verb import verb

if TYPE_CHECKING:
    from emma_platform.settings import Settings

_running = click.Group()
_command = verb(_running)


@click.option("--port", default=3000, show_default=True, help="Port of the Dagster UI.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the Dagster UI.")
@_command
def dev(settings: Settings, host: str, port: int) -> None:
    """Start the Dagster UI and daemon on this home, with the files sensor on."""
    from emma_platform.pipeline.instance import serve

    serve(settings, host=host, port=port)


@click.option("--dagster/--no-dagster", default=None,
              help="Also the Dagster UI, behind the same sign-in, and the daemon that takes files; by default "
              "where the home has runs.")  # fmt: skip
@click.option("--dagster-port", default=8001, show_default=True, help="Port of the Dagster UI.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="Its key, if in a file of its own.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="A TLS certificate with its chain: serve HTTPS.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes that answer.")
@click.option("--port", default=8000, show_default=True, help="Port of the page.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@_command
def serve(
    settings: Settings,
    host: str,
    port: int,
    workers: int,
    tls_cert: Path | None,
    tls_key: Path | None,
    dagster_port: int,
    dagster: bool | None,
) -> None:
    """Serve the page, the API and Dagster behind one sign-in, until Ctrl-C."""
    from emma_platform.web.serve import serve as serve_page

    if tls_key and not tls_cert:
        raise click.UsageError("--tls-key needs --tls-cert.")
    wanted = settings.dagster_home.exists() if dagster is None else dagster
    serve_page(
        settings,
        host=host,
        port=port,
        workers=workers,
        certificate=tls_cert,
        key=tls_key,
        dagster_port=dagster_port if wanted else None,
    )


@click.option("--no-serve", is_flag=True, help="End after the scorecard.")
@click.option("--dagster-port", default=8001, show_default=True, help="Port of the Dagster UI.")
@click.option("--port", default=8000, show_default=True, help="Port of the page.")
@click.option("--seed", default=7, show_default=True, help="The chain's seed.")
@click.option("--days", default=420, show_default=True, help="Days of history.")
@click.option("--products", default=60, show_default=True, help="Products.")
@click.option("--stores", default=5, show_default=True, help="Stores.")
@_running.command()
@click.option("--home", type=click.Path(path_type=Path), default=Path(".demo"), show_default=True,
              help="Where the demo is kept; emptied first.")  # fmt: skip
def demo(
    home: Path, stores: int, products: int, days: int, seed: int, port: int, dagster_port: int, no_serve: bool
) -> None:
    """Make a chain whose truth is known, run it through every layer, score what comes out, and serve it."""
    from emma_platform.console import console, remedied, watching
    from emma_platform.demo.run import run_demo
    from emma_platform.settings import Settings

    settings = Settings(home=home.absolute(), quiet_seconds=0)
    with remedied():
        yesterday = datetime.now(UTC).date() - timedelta(1)
        run_demo(
            settings, console, watching, stores=stores, products=products, days=days, seed=seed, last_day=yesterday
        )
        if not no_serve:
            _show_demo(Settings(home=settings.home, request_log=settings.home / "requests.log"), port, dagster_port)


def _show_demo(settings: Settings, port: int, dagster_port: int) -> None:
    from emma_platform.web.auth.demo_user import ensure_demo_user
    from emma_platform.web.serve import serve as serve_page

    name, password = ensure_demo_user(settings)
    note = f"Sign in as {name} with the password {password}\nDrop files into {settings.landing}."
    serve_page(settings, host="127.0.0.1", port=port, workers=2, dagster_port=dagster_port, note=note)
