"""P9: a year of daily runs: what a home grows by besides its data, and whether the daily run slows down.

Belongs here: the days of the year, and how much a home holds. Does not belong here: what maintenance does
(`emma_platform.recompute.maintenance`).

Each day every store sends its file, once a week a day of the week before is corrected, and one run of the update job
takes it all. One home is maintained every night, the other never. The clock is that of the days, not of the wall.
Start and end are windows of runs, each in a process of its own whose first run is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.chain import Shape, day_at, write, write_days
from benchmarks.measure import Bench, Side, Stopwatch
from benchmarks.report import Row

if TYPE_CHECKING:
    from emma_platform.pipeline.resources import Home
    from emma_platform.settings import Settings

MOST = 1.2
NOTE = (
    "The home begins with as much history as a forecast looks at, so that a forecast is the same work at the start and"
    " at the end. *Besides data* is what is neither landing, archive, nor a data file of the newest version of a table."
    " It is bounded when it grows by no more than the data, counted in partitions: ledger and Dagster hold a row and"
    " an event for each. Dagster keeps as many runs as there are days before the start. Each side is lived once. What"
    " the ledger grows by beyond the partitions is its table of files: each file that arrived is a fact it keeps, and"
    " the history came as a file a store and month, the year as a file a store and day (after 66 days of it: partitions"
    " 1.15x in bytes for 1.16x in rows, files 52 to 235 rows)."
)


@dataclass(frozen=True, slots=True)
class Year:
    """How long the history, the year and its two windows are, in days; the stores, products and lines of each."""

    history: int
    days: int
    before: int
    window: int
    stores: int = 3
    products: int = 20
    lines: int = 30

    @property
    def shape(self) -> Shape:
        """The chain over history and year."""
        return Shape(self.stores, self.history + self.days, self.products, self.lines)

    def phases(self) -> list[tuple[int, int]]:
        """The first day and the day after the last of: up to the start, the start, up to the end, the end."""
        cuts = (0, self.before, self.before + self.window + 1, self.days - self.window - 1, self.days)
        return list(pairwise(cuts))

    def values(self) -> dict[str, int]:
        """As JSON, from which `Year(**values)` makes it again."""
        return {name: getattr(self, name) for name in self.__slots__}


YEARS = {
    "tiny": Year(history=28, days=2, before=0, window=0, stores=1, products=4, lines=8),
    "small": Year(history=90, days=60, before=19, window=10),
    "full": Year(history=366, days=365, before=20, window=10),
}
"""Both windows end on the same day of a month, for a month's file grows until the next month begins."""


def run(bench: Bench) -> list[Row]:
    """A row for each part of a home that could grow, and one for the daily run."""
    year = YEARS[bench.size]
    lived = {name: _live(bench, year, name, maintained=name == "ours") for name in ("ours", "rival")}
    ours, rival = lived["ours"], lived["rival"]
    rows = [_growth(year, part, ours, rival) for part in ("lake besides data", "ledger", "Dagster", "files")]
    now, then = (figure(ours[0], "cpu"), figure(ours[1], "cpu"))
    slower = then / now
    rows.append(
        Row(
            f"P9 daily run, {_title(year)}",
            f"{now:.2f} -> {then:.2f} s CPU, maintenance {figure(ours[1], 'maintenance'):.2f}",
            f"{figure(rival[0], 'cpu'):.2f} -> {figure(rival[1], 'cpu'):.2f} s CPU",
            f"{slower:.2f}x",
            f"<= {MOST}x",
            slower <= MOST,
            [ours[1]],
            [rival[1]],
        )
    )
    return rows


def figure(side: Side, name: str) -> float:
    """The median over a window, its first run left out unless there is no other."""
    return float(median(side.result[name][1:] or side.result[name]))


def _live(bench: Bench, year: Year, name: str, *, maintained: bool) -> tuple[Side, Side]:
    """The windows at the start and at the end of the year."""
    home = str(bench.work / name)
    bench.call("p9_year:begun", home=home, year=year.values())
    sides = [
        bench.call("p9_year:days", home=home, year=year.values(), first=first, end=end, maintained=maintained)
        for first, end in year.phases()
    ]
    return sides[1], sides[3]


def _growth(year: Year, part: str, ours: tuple[Side, Side], rival: tuple[Side, Side]) -> Row:
    grown, theirs, data = (_ratio(side, of) for side, of in ((ours, part), (rival, part), (ours, "partitions")))
    return Row(
        f"P9 {part}, {_title(year)}",
        f"{_text(part, ours)} ({grown:.2f}x)",
        f"{_text(part, rival)} ({theirs:.2f}x)",
        f"{grown / data:.2f}x",
        f"<= 1x of data's {data:.2f}x",
        grown <= data,
        [ours[1]],
        [rival[1]],
    )


def _ratio(sides: tuple[Side, Side], part: str) -> float:
    now, then = (side.result["held"][part] for side in sides)
    return float(then / now)


def _text(part: str, sides: tuple[Side, Side]) -> str:
    now, then = (side.result["held"][part] for side in sides)
    return f"{now:,} -> {then:,}" if part == "files" else f"{now / 1e6:.1f} -> {then / 1e6:.1f} MB"


def _title(year: Year) -> str:
    return f"{year.stores} stores, {year.days} days after {year.history}"


def _settings(home: str, year: Year) -> Settings:
    from emma_platform.settings import Settings

    return Settings(home=Path(home), quiet_seconds=0, forecast_history_days=year.history, kept_runs=max(year.before, 2))


def _at(home: Home, now: Callable[[], datetime]) -> Home:
    """The home, at another time than that of the wall."""
    from dataclasses import replace

    from emma_platform.pipeline.resources import Home
    from emma_platform.recompute.platform import Platform

    class Elsewhen(Home):
        def open(self) -> Platform:
            return replace(super().open(), now=now)

    return Elsewhen(home.settings)


def begun(home: str, year: dict[str, int]) -> None:
    """Take the history."""
    from emma_platform.pipeline.resources import Home
    from emma_platform.pipeline.run import update_home

    lasts = Year(**year)
    settings = _settings(home, lasts)
    shape = lasts.shape
    coming = [(store, day) for store in range(shape.stores) for day in range(lasts.history, shape.days)]
    write(shape, settings.landing, by="month", without=coming)
    morning = _morning(lasts.history)
    update_home(_at(Home(settings), lambda: morning))


def days(home: str, year: dict[str, int], first: int, end: int, *, maintained: bool) -> dict[str, Any]:
    """Live some days of the year; seconds of CPU of each, and what the home holds in the end."""
    from emma_platform.pipeline.instance import instance_of
    from emma_platform.pipeline.maintenance import maintain_all
    from emma_platform.pipeline.resources import Home
    from emma_platform.pipeline.run import update_home

    lasts = Year(**year)
    settings = _settings(home, lasts)
    clock = [_morning(0)]
    there = _at(Home(settings), lambda: clock[0])
    found: dict[str, list[float]] = {"cpu": [], "maintenance": []}
    for day in range(lasts.history + first, lasts.history + end):
        clock[0] = _morning(day + 1)
        _send(lasts, settings.landing, day)
        with Stopwatch() as watch:
            update_home(there)
        found["cpu"].append(watch.cpu)
        clock[0] += timedelta(hours=22, minutes=30)
        with Stopwatch() as watch:
            if maintained:
                with instance_of(settings) as instance:
                    maintain_all(there.open(), instance)
        found["maintenance"].append(watch.cpu)
    return {**found, "held": _held(there)}


def _morning(day: int) -> datetime:
    return datetime.combine(day_at(day), time(5), UTC)


def _send(year: Year, landing: Path, day: int) -> None:
    """The files of a day, and once a week a correction of a day before."""
    write_days(year.shape, landing, [(store, day) for store in range(year.stores)], revision=0)
    if day % 7 == 0 and day - 5 >= year.history:
        write_days(year.shape, landing, [(0, day - 5)], revision=day)


def _held(home: Home) -> Mapping[str, int]:
    """Bytes of each part of the home, its files besides landing and archive, and its partitions."""
    import sqlalchemy as sa

    from emma_platform.model.tables import KEPT
    from emma_platform.recompute.ledger import partitions

    settings, platform = home.settings, home.open()
    data = sum(Path(path).stat().st_size for table in KEPT for path in platform.store.files(table).paths)
    with platform.ledger.transaction() as connection:
        counted = connection.scalar(sa.select(sa.func.count()).select_from(partitions)) or 0
    parts = {"lake besides data": settings.lake, "Dagster": settings.dagster_home, "published": settings.published}
    sizes = {name: [path.stat().st_size for path in _files(folder)] for name, folder in parts.items()}
    ledger = [path.stat().st_size for path in settings.home.glob("ledger.db*")]
    return {
        **{name: sum(found) for name, found in sizes.items()},
        "lake besides data": sum(sizes["lake besides data"]) - data,
        "ledger": sum(ledger),
        "files": sum(map(len, sizes.values())) + len(ledger),
        "data": data,
        "partitions": counted,
    }


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
