"""The overview is computed for the stores whose files changed; whatever way it came about, it is the same."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from emma_platform.model.access import EVERY_STORE
from emma_platform.model.tables import TABLES
from emma_platform.serving import overview_rows, publish
from emma_platform.serving.files import LakeFile
from emma_platform.serving.overview import BY_STORE
from emma_platform.serving.overview_rows import Work
from emma_platform.serving.reader import Reader
from emma_platform.store.delta import DeltaStore
from emma_platform.store.protocol import Days, Stores, Whole
from emma_platform_tests.serving import chain

STORES = ("S001", "S002", "S003")


class Chain:
    """A lake of three stores that is published again and again, and what each publication computed."""

    def __init__(self, root: Path) -> None:
        self.store = DeltaStore(root / "lake")
        self.published = root / "published"
        self.versions = chain.fill(self.store, stores=STORES, days=chain.days_before(75))
        self.number = 0

    def change(self, table: str, stores: tuple[str, ...], days: int = 1, mark: int = 7, back: int = 0) -> None:
        """Other rows of some stores, or of a table in one piece."""
        on = chain.days_before(days + back)[:days] if back else chain.days_before(days)
        rows = chain.rows(table, stores=stores, days=on, products=("P1", "P2"), mark=mark)
        replace = Days(dict.fromkeys(stores, frozenset(on))) if table == "product_kpis" else Stores(frozenset(stores))
        self.versions[table] = self.store.commit(table, rows, replace if stores else Whole(), {})

    def publish(self, folder: Path | None = None) -> pa.Table:
        self.number += 1
        publish.publish(
            self.store, versions=self.versions, published=folder or self.published,
            publication_id=f"p{self.number}", at=chain.AT, keep=2,
        )  # fmt: skip
        return Reader(folder or self.published).table(EVERY_STORE, "product_overview")


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[Work]:
    """What each publication computed and took over."""
    seen: list[Work] = []

    def prepare(*arguments: object) -> Work:
        seen.append(overview_rows.prepare(*arguments))  # type: ignore[arg-type]
        return seen[-1]

    monkeypatch.setattr(publish, "prepare", prepare)
    return seen


@pytest.fixture
def lived(tmp_path: Path) -> Chain:
    return Chain(tmp_path)


@pytest.mark.parametrize("table", BY_STORE)
def test_only_the_stores_whose_files_changed_are_computed(lived: Chain, computed: list[Work], table: str) -> None:
    before = lived.publish()
    lived.change(table, ("S002",))
    after = lived.publish()
    assert [work.same for work in computed] == [[], ["S001", "S003"]]
    assert len(computed[1].last_month) == 1
    assert after.equals(lived.publish(lived.published.with_name("anew")))
    assert not after.equals(before)
    assert after["store"].to_pylist() == sorted(after["store"].to_pylist())


def test_what_the_overview_does_not_show_computes_nothing(lived: Chain, computed: list[Work]) -> None:
    before = lived.publish()
    lived.change("product_kpis", ("S001",), days=2, back=73)
    lived.change("stock", ("S002",))
    assert lived.publish().equals(before)
    assert computed[1] == Work([], [], list(STORES), computed[1].earlier)


def test_a_store_that_is_gone_or_loses_a_table_is_not_taken_over(lived: Chain, computed: list[Work]) -> None:
    lived.publish()
    empty = TABLES["product_kpis"].arrow_schema().empty_table()
    lived.versions["product_kpis"] = lived.store.commit("product_kpis", empty, Stores(frozenset(["S001"])), {})
    lived.versions["forecast_scores"] = lived.store.commit(
        "forecast_scores", TABLES["forecast_scores"].arrow_schema().empty_table(), Stores(frozenset(["S003"])), {}
    )
    after = lived.publish()
    assert after["store"].unique().to_pylist() == ["S002", "S003"]
    assert computed[1].same == ["S002"]
    assert after.equals(lived.publish(lived.published.with_name("anew")))


def test_other_products_or_another_statement_compute_all(
    lived: Chain, computed: list[Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    lived.publish()
    lived.change("products", ())
    lived.publish()
    lived.change("stock", ("S002",))
    monkeypatch.setattr(publish, "statement_digest", lambda: "another")
    lived.publish()
    assert [work.same for work in computed] == [[], [], []]


def test_a_damaged_publication_before_costs_only_time(lived: Chain) -> None:
    lived.publish()
    with duckdb.connect(str(lived.published / "serving.duckdb")) as connection:
        connection.execute("DROP TABLE product_overview")
    lived.change("sales_forecast", ("S002",))
    assert lived.publish().equals(lived.publish(lived.published.with_name("anew")))


def test_the_files_of_a_store_are_those_of_its_last_month_and_its_other_tables() -> None:
    def file(table: str, month: str | None, rows: int = 1, store: str | None = "S1") -> LakeFile:
        return LakeFile(table, store, month, f"{table}-{store}-{month}", rows, by_folder=True)

    found = overview_rows.files_by_store(
        [
            file("product_kpis", "2026-09"), file("product_kpis", "2026-10"), file("product_kpis", "2026-11"),
            file("product_kpis", "2026-12", rows=0),
            file("sales_forecast", None), file("clean_sales", "2026-11"), file("product_kpis", None, store=None),
        ]
    )  # fmt: skip
    assert found == {"S1": frozenset({"product_kpis-S1-2026-10", "product_kpis-S1-2026-11", "sales_forecast-S1-None"})}


def test_units_lost_to_empty_shelves_count_by_the_days_that_lie_within_four_weeks(lived: Chain) -> None:
    def run(product: str, first: int, last: int, units: float) -> dict[str, object]:
        days = {"first_day": chain.LAST_DAY - timedelta(first), "last_day": chain.LAST_DAY - timedelta(last)}
        lost = {"lost_units": units, "lost_units_p10": units / 2, "lost_units_p90": units * 2}
        return {"store": "S001", "product": product, "days": 1, "probability": 0.9, "evidence": "sales", **days, **lost}

    runs = [run("P1", 31, 24, 8.0), run("P1", 3, 2, 5.0), run("P2", 39, 28, 7.0)]
    schema = TABLES["probable_stock_outs"].arrow_schema()
    rows = pa.Table.from_pylist([{name: each.get(name) for name in schema.names} for each in runs], schema=schema)
    lived.versions["probable_stock_outs"] = lived.store.commit("probable_stock_outs", rows, Whole(), {})
    names = [f"probable_lost_units_28d{part}" for part in ("", "_p10", "_p90")]
    found = {(row["store"], row["product"]): tuple(row[name] for name in names) for row in lived.publish().to_pylist()}
    assert found["S001", "P1"] == (9.0, 4.5, 18.0)
    assert found["S001", "P2"] == found["S002", "P1"] == (0.0, 0.0, 0.0)
