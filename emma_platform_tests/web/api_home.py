"""A home with a tiny published chain, for tests of the API: three stores, of which Max sees two."""

from __future__ import annotations

from pathlib import Path

from emma_platform.model.tables import KEPT
from emma_platform.serving.publish import publish
from emma_platform.store.delta import DeltaStore
from emma_platform_tests.serving import chain
from emma_platform_tests.web.people import People, cheap, people

STORES, PRODUCTS = ("S1", "S2", "S3"), ("P1", "P2", "P3")


def make(home: Path, *, publications: int = 2) -> People:
    """Everybody, over publications p0, p1, … whose numbers are moved by 1000 from one to the next."""
    store, settings = DeltaStore(home / "lake"), cheap(home)
    for number in range(publications):
        versions = chain.fill(
            store, stores=STORES, products=PRODUCTS, days=chain.days_before(60), mark=1000 * number, tables=KEPT
        )
        publish(
            store, versions=versions, published=settings.published, publication_id=f"p{number}", at=chain.AT, keep=3
        )
    return people(settings, stores=STORES[:2])
