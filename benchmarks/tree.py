"""A process and all its descendants: the memory they hold together, and the CPU that nobody waited for.

Belongs here: looking at `/proc`. Does not belong here: what is measured.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

EVERY = 0.2
"""Seconds between two looks; what is shorter is not seen."""

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Watch:
    """Looks at a process and its descendants until it is stopped: `with Watch(pid) as watch: ...`.

    Attributes:
        peak: bytes, the most that they held together. Of several processes pages that they share count once (PSS).
        cpu: seconds of CPU of every process that was seen, as far as it was seen.
    """

    def __init__(self, pid: int) -> None:
        self.peak, self.cpu = 0, 0.0
        self._pid, self._seen = pid, dict[tuple[int, str], float]()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watch:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join()
        self.cpu = sum(self._seen.values())

    def _watch(self) -> None:
        while not self._stop.wait(EVERY):
            processes = _descendants(self._pid)
            self._seen |= processes
            self.peak = max(self.peak, _memory([pid for pid, _ in processes]))


def _descendants(root: int) -> dict[tuple[int, str], float]:
    """CPU seconds of a process and of those below it, by id and time of start, which no two processes share."""
    parents: dict[int, int] = {}
    found: dict[int, tuple[str, float]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            # Behind the name in brackets: 3 state, 4 parent, 14 and 15 CPU, 22 start (man 5 proc).
            fields = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            parents[int(folder.name)] = int(fields[1])
            found[int(folder.name)] = (fields[19], (int(fields[11]) + int(fields[12])) / _TICK)
    inside = {root}
    while more := {pid for pid, parent in parents.items() if parent in inside} - inside:
        inside |= more
    return {(pid, found[pid][0]): found[pid][1] for pid in inside if pid in found}


def _memory(pids: list[int]) -> int:
    return sum(_resident(pid) if len(pids) == 1 else _proportional(pid) for pid in pids)


def _resident(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    return 0


def _proportional(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
