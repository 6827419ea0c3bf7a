"""Timing: one side of a comparison in a process of its own, two sides in turns, medians.

Belongs here: how wall seconds, CPU seconds and memory are taken. Does not belong here: what is measured (`p1_rebuild`
and its like) and how results are shown (`report`).

The process that measures imports nothing heavy: a child's peak memory begins at that of the process that made it.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.tree import Watch

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Side:
    """One side, measured once.

    Attributes:
        wall: seconds from start to end of the process.
        cpu: seconds of CPU of the process and of those it started, its start included.
        peak: bytes, the most memory that it and those it started held together.
        result: what the function returned.
    """

    wall: float
    cpu: float
    peak: int
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bench:
    """How to measure.

    Attributes:
        size: `tiny`, `small` or `full`.
        repeat: how often.
        work: the folder for all files; made when missing.
        apart: each side in a process of its own. In this one it costs no start, but memory and imports are shared, so
            that the figures mean little: enough to see that the code runs.
        lines: those of a store-day in P10, where they are to differ from its size's.
        data: the folder with the real data; without it `real_data` says where they are looked for.
        pictures: a folder for screenshots of the UI in P10; none are kept without.
    """

    size: str
    repeat: int
    work: Path
    apart: bool = True
    lines: int | None = None
    data: Path | None = None
    pictures: Path | None = None

    def call(self, function: str, **arguments: Any) -> Side:  # noqa: ANN401 - whatever JSON can hold
        """Call `module:function` of this package and see what it takes.

        Raises:
            SideError: it failed in a process of its own.
        """
        self.work.mkdir(parents=True, exist_ok=True)
        return _apart(function, arguments) if self.apart else _here(function, arguments)


class SideError(Exception):
    """A side did not come to its end; the message holds the last lines it wrote."""


def _function(name: str) -> Callable[..., dict[str, Any] | None]:
    module, _, function = name.partition(":")
    found: Callable[..., dict[str, Any] | None] = getattr(importlib.import_module(f"benchmarks.{module}"), function)
    return found


def _here(function: str, arguments: dict[str, Any]) -> Side:
    with Stopwatch() as watch:
        returned = _function(function)(**json.loads(json.dumps(arguments)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Side(watch.wall, watch.cpu, peak, json.loads(json.dumps(returned or {})))


def _apart(function: str, arguments: dict[str, Any]) -> Side:
    with tempfile.TemporaryDirectory() as folder:
        answer, said = Path(folder) / "answer.json", Path(folder) / "said.txt"
        command = [sys.executable, "-m", "benchmarks.measure", function, json.dumps(arguments), str(answer)]
        started = time.perf_counter()
        with said.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own module
                command, cwd=ROOT, env=_environment(), stdout=output, stderr=subprocess.STDOUT
            )
            with Watch(process.pid) as watch:
                _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            last = "\n".join(said.read_text("utf-8", "replace").splitlines()[-15:])
            raise SideError(f"{function} ended with {process.returncode}:\n{last}")
        # The kernel knows exactly of those that were waited for; the watch, of those that were not.
        cpu, peak = max(used.ru_utime + used.ru_stime, watch.cpu), max(used.ru_maxrss * 1024, watch.peak)
        return Side(wall, cpu, peak, json.loads(answer.read_text()))


def _environment() -> dict[str, str]:
    """The environment without the settings of whoever measures."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("EMMA_", "DAGSTER_"))}


def in_turns(*sides: Callable[[int], Side], repeat: int) -> list[list[Side]]:
    """Measure each side `repeat` times, one after the other in each turn, so that a slow minute slows them all."""
    found: list[list[Side]] = [[] for _ in sides]
    for turn in range(repeat):
        for measured, side in zip(found, sides, strict=True):
            measured.append(side(turn))
    return found


def middle(sides: Sequence[Side], of: Callable[[Side], float]) -> float:
    """The median of a figure."""
    return float(median(of(side) for side in sides))


class Stopwatch:
    """Wall and CPU seconds of a part of this process: `with Stopwatch() as watch: ...`."""

    def __enter__(self) -> Stopwatch:
        """Start."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.wall, self.cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu


if __name__ == "__main__":
    result = _function(sys.argv[1])(**json.loads(sys.argv[2]))
    Path(sys.argv[3]).write_text(json.dumps(result or {}), encoding="utf-8")
