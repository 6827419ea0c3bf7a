"""A home whose clock moves on, and what must stay readable in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from emma_platform.model.tables import KEPT
from emma_platform.recompute.maintenance import Maintained, maintain
from emma_platform.serving.publication import GRACE, publications
from emma_platform.serving.reader import Reader
from emma_platform_tests.recompute import midway
from emma_platform_tests.recompute.home import Home, sale

Content = dict[str, list[str]]


class Lived(Home):
    """A home whose clock moves on."""

    def later(self, by: timedelta = GRACE) -> None:
        now: datetime = self.platform.now() + by
        self.platform = replace(self.platform, now=lambda: now)

    def maintain(self) -> Maintained:
        return maintain(self.platform)

    def a_day(self, number: int) -> None:
        """New quantities for two days of a store, taken."""
        self.sell("a.csv", sale(quantity=number), sale("Süd/2", on=number % 40, quantity=number))
        self.update()
        self.later(timedelta(days=1))

    def published(self) -> dict[str, Content]:
        """What every kept publication says, all rows of all tables."""
        folder = self.settings.published
        return {p.id: midway.content(Reader(folder, publication_id=p.id)) for p in publications(folder)}

    def data_files(self) -> set[str]:
        return {str(path) for path in self.settings.lake.rglob("*.parquet") if "_delta_log" not in path.parts}

    def needed_files(self) -> set[str]:
        """The data files of the newest versions and of the kept publications."""
        store, shown = self.platform.store, publications(self.settings.published)
        wanted = [(table, version) for one in shown for table, version in one.versions.items()]
        newest = {path for table in KEPT for path in store.files(table).paths}
        return newest | {path for table, version in wanted for path in store.files(table, version=version).paths}
