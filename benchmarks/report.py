"""The table of results: on the console, and in RESULTS.md with all that a number depends on.

Belongs here: how results are shown and kept. Does not belong here: how they are taken (`measure`).

`results.json` holds the newest results of each measure, of whatever run; RESULTS.md is made from it. So the full size,
which takes hours, can be run in parts.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import Bench, Side, middle

PACKAGES = ("duckdb", "deltalake", "pyarrow", "dagster", "pandas", "sqlalchemy", "statsmodels")
HEADER = ("measure", "ours", "rival", "ratio", "goal", "met", "CPU s", "wall s", "peak MB")
MET = {True: "yes", False: "NO", None: "-"}
EXPLAINED = (
    "CPU, wall and peak memory are those of whole processes, ours / rival, with all that they start, their own start"
    " and imports included; the columns before them say what is compared. Each pair was measured in turns."
    " *Extrapolated* means: measured on a part and multiplied. Goals are set for the size `full`; at other sizes they"
    " only indicate."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison.

    Attributes:
        measure: what was measured, on how much.
        ours, rival: the two medians with their unit; the rival may be a dash.
        ratio: with its unit, x.
        goal: as the design states it.
        met: whether it was reached; None where there is no goal.
        ours_sides, rival_sides: what the last three columns are made of: whole processes, their start included.
    """

    measure: str
    ours: str
    rival: str
    ratio: str
    goal: str
    met: bool | None
    ours_sides: Sequence[Side] = ()
    rival_sides: Sequence[Side] = ()

    def cells(self) -> tuple[str, ...]:
        """The row as texts, in the order of `HEADER`."""
        both = (self.ours_sides, self.rival_sides)
        figures = (lambda side: side.cpu, lambda side: side.wall, lambda side: side.peak / 1e6)
        used = [
            " / ".join(f"{middle(s, of):,.{d}f}" for s in both if s) for of, d in zip(figures, (1, 1, 0), strict=True)
        ]
        return (self.measure, self.ours, self.rival, self.ratio, self.goal, MET[self.met], *used)


@dataclass(frozen=True, slots=True)
class Measured:
    """The rows of one measure as texts, in the order of `HEADER`, and what they depend on."""

    rows: list[list[str]]
    facts: dict[str, str]


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, padded so that it also reads as plain text."""
    return _padded([HEADER, *(row.cells() for row in rows)])


def _padded(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    texts = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    rule = "|" + "|".join("-" * (w + 2) for w in widths) + "|"
    return "\n".join([texts[0], rule, *texts[1:]])


def facts(bench: Bench, *, command: str, note: str) -> dict[str, str]:
    """What the numbers of one measure depend on."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    machine = f"{_processor()}, {os.cpu_count()} cores, {_memory_gb():.0f} GB, Linux {platform.release()}"
    return {
        "size": bench.size,
        "repeat": str(bench.repeat),
        "command": command,
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "load": f"{os.getloadavg()[2]:.1f}",
        "machine": f"{machine}; Python {platform.python_version()}, {packages}",
        "note": note,
    }


def kept(path: Path) -> dict[str, Measured]:
    """The results of earlier runs, by measure; none where there is no such file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {name: Measured(**measured) for name, measured in found.items()}


def keep(path: Path, found: Mapping[str, Measured]) -> None:
    """Write all results down, and the document beside them."""
    ordered = {name: asdict(found[name]) for name in sorted(found, key=lambda name: (name[0], int(name[1:])))}
    path.write_text(json.dumps(ordered, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    path.with_name("RESULTS.md").write_text(document(kept(path)), encoding="utf-8")


def document(found: Mapping[str, Measured]) -> str:
    """The whole of RESULTS.md: the table, and for each measure what it depends on."""
    rows = [(*cells, measured.facts["size"]) for measured in found.values() for cells in measured.rows]
    lines = [_described(name, measured.facts) for name, measured in found.items()]
    machines = sorted({measured.facts["machine"] for measured in found.values()})
    return "\n".join(
        ["# Results", "", _padded([(*HEADER, "size"), *rows]), "", EXPLAINED, "", *lines, "", "Measured on:", ""]
        + [f"- {machine}" for machine in machines]
        + [""]
    )


def _described(name: str, facts: Mapping[str, str]) -> str:
    medians = f"medians of {facts['repeat']}" if facts["repeat"] != "1" else "once"
    when = f"{facts['date']}, load average of the last 15 minutes when done {facts['load']}, `{facts['command']}`"
    return f"- **{name}** {facts['note']} *{facts['size']}, {medians}, {when}*"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
