"""A home with publications that can be told apart by every number in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from emma_platform.serving.publication import Publication
from emma_platform.serving.publish import publish
from emma_platform.settings import Settings
from emma_platform.store.delta import DeltaStore
from emma_platform_tests.serving import chain

STORE, PRODUCT = "S001", "P1"
TABLES = ("product_kpis", "sales_forecast", "price_recommendations", "products", "stores")


class PublishedHome:
    """A home whose lake holds some states, any of which can be published under a new id, `p<state>-<count>`."""

    def __init__(self, home: Path, *, states: int = 2) -> None:
        self.settings = Settings(home=home)
        self._store = DeltaStore(self.settings.lake)
        self._states: Sequence[dict[str, int]] = [
            chain.fill(self._store, mark=7 * state, tables=TABLES, days=chain.days_before(10))
            for state in range(states)
        ]
        self._count = 0

    def publish(self, state: int = 0, *, keep: int = 2) -> Publication:
        self._count += 1
        return publish(
            self._store,
            versions=self._states[state],
            published=self.settings.published,
            publication_id=f"p{state}-{self._count}",
            at=chain.AT,
            keep=keep,
        )
