"""The demo from beginning to end: files written, taken, spoiled and mended, and what came out scored against the truth.

Belongs here: the order of events and what is said about them. Does not belong here: the chain (`chain`), what happens
to its files (`landing`, `stories`) and the score (`scorecard`).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import date, timedelta
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from emma_platform.demo import scorecard, stories
from emma_platform.demo.account import Injected
from emma_platform.demo.chain import Chain, make_chain
from emma_platform.demo.landing import write_landing, write_sources_yaml
from emma_platform.demo.picture import picture
from emma_platform.model.access import EVERY_STORE
from emma_platform.model.partitions import StoreDay
from emma_platform.pipeline.run import run_update
from emma_platform.recompute.batch import BatchReport
from emma_platform.recompute.platform import Observer, open_platform
from emma_platform.recompute.status import status
from emma_platform.serving.reader import Reader
from emma_platform.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

Watch = Callable[[], AbstractContextManager[Observer]]
Tell = Callable[[Chain, Path, Injected], stories.Story]

CHAPTERS: tuple[tuple[str, tuple[Tell, ...]], ...] = (
    ("Store-days arrive late", (stories.late_days,)),
    ("A day is corrected", (stories.corrected_day,)),
    ("A file comes twice, one is half written, one is broken",
     (stories.redelivered_file, stories.half_written_file, stories.broken_file)),
)  # fmt: skip
LATE_DAYS = (9, 40)
"""How old the store-days are that arrive late."""

PICTURE = "result.png"


def run_demo(
    settings: Settings,
    console: Console,
    watch: Watch,
    *,
    stores: int,
    products: int,
    days: int,
    seed: int,
    last_day: date,
) -> scorecard.Scorecard:
    """Run the demo in an emptied home, and return its scorecard.

    Args:
        settings: the home; what a demo left there before is removed, anything else is refused.
        console: where the account of it is printed.
        watch: makes the observer of one batch.
        stores: stores of the chain.
        products: products of the chain.
        days: days of history.
        seed: the chain's seed.
        last_day: the last day of its history.

    Raises:
        FileExistsError: the home holds something that no demo made.
    """
    _empty(settings.home)
    started = time.perf_counter()
    chain = make_chain(stores=stores, products=products, days=days, last_day=last_day, seed=seed)
    write_sources_yaml(settings.home)
    withheld = [StoreDay(chain.stores[0].code, last_day - timedelta(age)) for age in LATE_DAYS]
    injected = write_landing(chain, settings.landing, withhold=withheld)
    console.print(
        f"[bold]A chain of {stores} stores, {products} products, {days} days:[/] {injected.lines_in:,} lines in"
        f" {injected.files:,} files, written in {time.perf_counter() - started:.1f} s",
        highlight=False,
    )
    reports = [_batch(settings, console, watch, "Everything arrives")]
    for title, tellers in CHAPTERS:
        injected = reduce(lambda known, tell: tell(chain, settings.landing, known).injected, tellers, injected)
        reports.append(_batch(settings, console, watch, title))
    card = _score(settings, chain, injected)
    scorecard.show(card, console)
    _layers(console, reports)
    return card


def _empty(home: Path) -> None:
    mark = home / ".emma-demo"
    if home.exists() and any(home.iterdir()) and not mark.exists():
        raise FileExistsError(f"{home} holds something that no demo made; choose another --home")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / "landing").mkdir()
    mark.touch()


def _batch(settings: Settings, console: Console, watch: Watch, title: str) -> BatchReport:
    console.print(f"\n[bold]{title}[/]")
    with watch() as observer:
        report = run_update(settings, observer)
    computed = ", ".join(f"{table} {number:,}" for table, number in report.partitions.items())
    console.print(f"computed in {report.seconds:.1f} s: {computed or 'nothing'}", highlight=False)
    return report


def _score(settings: Settings, chain: Chain, injected: Injected) -> scorecard.Scorecard:
    state = status(open_platform(settings))
    reader = Reader(settings.published)
    tables = {table: reader.table(EVERY_STORE, table) for table in scorecard.TABLES}
    (settings.home / PICTURE).write_bytes(picture(chain, tables))
    return scorecard.scorecard(chain, injected, tables, state["lines"], state["set_aside_by_reason"], settings=settings)


def _layers(console: Console, reports: Sequence[BatchReport]) -> None:
    layers: dict[str, float] = {}
    for report in reports:
        for layer, seconds in report.layers.items():
            layers[layer] = layers.get(layer, 0.0) + seconds
    console.print(
        "Seconds: " + ", ".join(f"{layer} {seconds:.1f}" for layer, seconds in layers.items()), highlight=False
    )
