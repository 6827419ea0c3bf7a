"""The table of results: on the console, and in RESULTS.md with all that a number depends on.

Belongs here: how results are shown. Does not belong here: how they are taken (`measure`).
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import Bench, Side, middle

PACKAGES = ("duckdb", "deltalake", "pyarrow", "dagster", "pandas", "sqlalchemy", "statsmodels")
HEADER = ("measure", "ours", "rival", "ratio", "goal", "met", "CPU s", "wall s", "peak MB")
SMALLER = "; the goals are set for `full`, so that here they only indicate"
EXPLAINED = (
    "CPU, wall and peak memory are those of whole processes, ours / rival, their start and imports included; the"
    " columns before them say what is compared. Each pair was measured in turns. *Extrapolated* means: measured on a"
    " part and multiplied."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison.

    Attributes:
        measure: what was measured, on how much.
        ours, rival: the two medians with their unit; the rival may be a dash.
        ratio: with its unit, x.
        goal: as the design states it.
        met: whether it was reached.
        ours_sides, rival_sides: what the last three columns are made of: whole processes, their start included.
    """

    measure: str
    ours: str
    rival: str
    ratio: str
    goal: str
    met: bool
    ours_sides: Sequence[Side] = ()
    rival_sides: Sequence[Side] = ()

    def cells(self) -> tuple[str, ...]:
        """The row as texts, in the order of `HEADER`."""
        both = (self.ours_sides, self.rival_sides)
        figures = (lambda side: side.cpu, lambda side: side.wall, lambda side: side.peak / 1e6)
        used = [
            " / ".join(f"{middle(s, of):,.{d}f}" for s in both if s) for of, d in zip(figures, (1, 1, 0), strict=True)
        ]
        return (self.measure, self.ours, self.rival, self.ratio, self.goal, "yes" if self.met else "NO", *used)


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, padded so that it also reads as plain text."""
    lines = [HEADER, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    texts = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    rule = "|" + "|".join("-" * (w + 2) for w in widths) + "|"
    return "\n".join([texts[0], rule, *texts[1:]])


def document(rows: Sequence[Row], bench: Bench, *, command: str, notes: Sequence[str]) -> str:
    """The whole of RESULTS.md."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    facts = [
        f"- Size: **{bench.size}**, medians of {bench.repeat}{'' if bench.size == 'full' else SMALLER}",
        f"- Command: `{command}`",
        f"- Date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"- Machine: {_processor()}, {os.cpu_count()} cores, {_memory_gb():.0f} GB, Linux {platform.release()}",
        f"- Load average of the last 15 minutes when done: {os.getloadavg()[2]:.1f}",
        f"- Python {platform.python_version()}, {packages}",
    ]
    return "\n".join(
        ["# Results", "", *facts, "", table(rows), "", EXPLAINED, "", *(f"- {note}" for note in notes), ""]
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
