"""The platform: the parts that a batch works with, put together once.

Belongs here: which implementation stands behind each seam. Does not belong here: any work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Protocol

from emma_platform.engine.protocol import Engine
from emma_platform.recompute.ledger import Ledger
from emma_platform.settings import Settings
from emma_platform.sources.files import FileSource
from emma_platform.store.protocol import TableStore


class Observer(Protocol):
    """Who watches a batch: progress for people, named steps for those who test what a crash at each of them does."""

    def progress(self, layer: str, done: int, total: int) -> None:
        """So many partitions (or files) of a layer are done."""
        ...

    def step(self, name: str) -> None:
        """A step is reached, such as `clean_sales: committed`."""
        ...


class Silent:
    """Watches nothing."""

    def progress(self, layer: str, done: int, total: int) -> None:
        """Pass on."""

    def step(self, name: str) -> None:
        """Pass on."""


@dataclass(frozen=True)
class Platform:
    """Settings, seams and clock; `run` is the orchestrator's run that works with it, if one does."""

    settings: Settings
    source: FileSource
    store: TableStore
    engine: Engine
    ledger: Ledger
    now: Callable[[], datetime]
    observer: Observer = field(default_factory=Silent)
    run: str | None = None

    def today(self) -> date:
        """The day by the platform's clock, in UTC."""
        return self.now().date()


def open_platform(settings: Settings, observer: Observer | None = None) -> Platform:
    """The platform on files, Delta Lake, DuckDB and the ledger of the settings.

    Folders are made when missing, but `landing` only in a new home: where it is missing later, a mount may have failed,
    and an empty folder in its place would look as if every file had been withdrawn.
    """
    import time

    from emma_platform.engine.duckdb import DuckDBEngine
    from emma_platform.store.delta import DeltaStore

    if not settings.archive.exists():
        settings.landing.mkdir(parents=True, exist_ok=True)
    for folder in (settings.archive, settings.lake, settings.published, settings.dagster_home):
        folder.mkdir(parents=True, exist_ok=True)
    return Platform(
        settings=settings,
        source=FileSource(
            settings.landing,
            settings.archive,
            settings.sources_file,
            quiet_seconds=settings.quiet_seconds,
            now_ns=time.time_ns,
            first_day=settings.first_day,
            max_line_bytes=settings.max_line_megabytes * 1_000_000,
        ),
        store=DeltaStore(settings.lake),
        engine=DuckDBEngine(threads=settings.threads, memory_limit=settings.memory_limit, spill=settings.spill),
        ledger=Ledger(settings.ledger),
        now=lambda: datetime.now(UTC),
        observer=observer or Silent(),
    )
