"""Whether a run is still worked on: a lock that the system lets go when its process dies, however it dies.

Belongs here: the lock of a run. Does not belong here: what follows from a dead one (`sensors`), and the lock that lets
one batch work at a time (`recompute.batch`).

Dagster itself notices a dead process only while the code server that started it lives. After a power cut, or when
`emma update` was killed, its run would count as started for ever, and everything that waits for it would wait for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from emma_platform.settings import Settings


@contextmanager
def working_on(settings: Settings, run_id: str) -> Iterator[None]:
    """Hold the run's lock; those that the dead left are taken away."""
    path = _path(settings, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    for other in path.parent.glob("*.lock"):
        is_worked_on(settings, other.stem)
    with FileLock(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def is_worked_on(settings: Settings, run_id: str) -> bool:
    """Whether a process holds the run's lock."""
    path = _path(settings, run_id)
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            path.unlink(missing_ok=True)  # left by a process that died
            return False
    except Timeout:
        return True


def _path(settings: Settings, run_id: str) -> Path:
    return settings.dagster_home / "running" / f"{run_id}.lock"
