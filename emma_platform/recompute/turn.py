"""Whose turn it is: one batch at a time on a home, in the order in which they came.

Belongs here: the queue of processes. Does not belong here: what they do when it is their turn (`batch`).

Each process draws a ticket, a locked file with the next number, and waits for the locks of all lower numbers. The
system lets the lock of a process go when it dies, however it dies, so nobody waits for the dead. A lock alone goes to
whoever asks first after it is free: of four processes that kept asking, 15 turns of others passed one by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = "batch.lock"
QUEUE = "queue"
_DOOR = "door.lock"
_TICKET = ".ticket"


@contextmanager
def turn(home: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Wait for one's turn and hold it; a thread that holds it already goes on within it.

    Args:
        home: the folder that one process at a time works on.
        waiting: called once when others come first.

    Raises:
        OSError: the home cannot be written; the error names the file.
    """
    lock = FileLock(home / LOCK, is_singleton=True)
    if lock.is_locked:
        with lock:
            yield
        return
    with _ticket(home / QUEUE) as before:
        _wait_for(before, waiting)
        with lock:
            yield


@contextmanager
def _ticket(queue: Path) -> Iterator[list[Path]]:
    """Hold the last place of the queue; gives those before it, first come first."""
    queue.mkdir(exist_ok=True)
    with FileLock(queue / _DOOR):
        before = sorted(queue.glob(f"*{_TICKET}"), key=_number)
        own = queue / f"{_number(before[-1]) + 1 if before else 0}{_TICKET}"
        lock = FileLock(own)
        lock.acquire()
    try:
        yield before
    finally:
        own.unlink(missing_ok=True)
        lock.release()


def _wait_for(before: list[Path], waiting: Callable[[], None]) -> None:
    said = False
    for path in before:
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not said:
                waiting()
                said = True
            lock.acquire()
        # Asking for the lock of a ticket that was given back makes the file again; so does the ticket of the dead stay.
        path.unlink(missing_ok=True)
        lock.release()


def _number(ticket: Path) -> int:
    return int(ticket.name.removesuffix(_TICKET))
