from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from emma_platform.serving.publication import Publication
from emma_platform.serving.publish import publish
from emma_platform.serving.reader import Reader
from emma_platform.store.delta import DeltaStore
from emma_platform_tests.serving import chain


@dataclass(frozen=True)
class Lake:
    """A lake with several states of all tables; state n has every number moved by 1000 n."""

    root: Path
    store: DeltaStore
    states: list[dict[str, int]]


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    root = tmp_path_factory.mktemp("lake")
    store = DeltaStore(root)
    return Lake(root, store, [chain.fill(store, mark=1000 * number) for number in range(3)])


@pytest.fixture(scope="session")
def odd_lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    root = tmp_path_factory.mktemp("odd")
    store = DeltaStore(root)
    tables = ("product_kpis", "set_aside_rows", "sales_forecast", "stores", "products")
    days = chain.days_before(3)
    return Lake(root, store, [chain.fill(store, stores=chain.ODD_STORES, tables=tables, days=days)])


Publish = Callable[..., Publication]


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return tmp_path / "published"


@pytest.fixture
def put(lake: Lake, published: Path) -> Publish:
    """Publishes a state of the lake under the id `p<state>`."""

    def put(state: int = 0, *, keep: int = 3, publication_id: str | None = None) -> Publication:
        return publish(
            lake.store,
            versions=lake.states[state],
            published=published,
            publication_id=publication_id or f"p{state}",
            at=chain.AT,
            keep=keep,
        )

    return put


@pytest.fixture(scope="session")
def reader(lake: Lake, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """A reader of the first state."""
    published = tmp_path_factory.mktemp("published")
    publish(lake.store, versions=lake.states[0], published=published, publication_id="p0", at=chain.AT, keep=1)
    return Reader(published)
