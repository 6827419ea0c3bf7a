from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emma_platform.model.access import EVERY_STORE
from emma_platform.model.tables import KEPT, TABLES
from emma_platform.serving.contents import SERVED
from emma_platform.serving.publication import ServingError, current
from emma_platform.serving.publish import publish
from emma_platform.serving.reader import Reader
from emma_platform.store.delta import DeltaStore
from emma_platform.store.protocol import Whole
from emma_platform_tests.serving import chain
from emma_platform_tests.serving.conftest import Lake, Publish

DAYS = st.none() | st.integers(-50, 40).map(lambda ahead: chain.LAST_DAY + timedelta(days=ahead))
WITH_DAY = [name for name in KEPT if {"day", "made_on"} & set(TABLES[name].names)]


@given(
    name=st.sampled_from(WITH_DAY),
    stores=st.none() | st.sets(st.sampled_from(["S001", "S002"])),
    first_day=DAYS,
    last_day=DAYS,
)
def test_filters_give_what_a_plain_filter_gives(
    lake: Lake, reader: Reader, name: str, stores: set[str] | None, first_day: date | None, last_day: date | None
) -> None:
    expected = lake.store.read(name, version=lake.states[0][name])
    day = "day" if "day" in expected.column_names else "made_on"
    if stores is not None and "store" not in expected.column_names:
        return
    if stores is not None:
        expected = expected.filter(pc.is_in(expected["store"], pa.array(sorted(stores), pa.string())))
    if first_day:
        expected = expected.filter(pc.greater_equal(expected[day], first_day))
    if last_day:
        expected = expected.filter(pc.less_equal(expected[day], last_day))
    found = reader.table(EVERY_STORE, name, stores=stores, first_day=first_day, last_day=last_day)
    key = [(column, "ascending") for column in TABLES[name].key]
    assert found.sort_by(key).equals(expected.sort_by(key))
    assert found.schema == expected.schema
    assert reader.count(EVERY_STORE, name, stores=stores, first_day=first_day, last_day=last_day) == expected.num_rows


def test_every_table_has_its_schema(reader: Reader) -> None:
    for name in reader.tables():
        assert reader.table(EVERY_STORE, name).schema == SERVED[name].arrow_schema()
        assert reader.rows(EVERY_STORE, name) == reader.table(EVERY_STORE, name).num_rows


def test_columns_and_limit(reader: Reader) -> None:
    found = reader.table(EVERY_STORE, "product_kpis", columns=["units", "store"], limit=5)
    assert found.column_names == ["units", "store"]
    assert found.num_rows == 5


def test_the_page_of_a_product(lake: Lake, reader: Reader) -> None:
    page = reader.product(EVERY_STORE, "S001", "P2")
    assert (page.publication, page.store, page.product) == ("p0", "S001", "P2")
    assert page.overview.num_rows == 1
    assert page.kpis["day"].to_pylist() == chain.days_before(40)
    assert page.forecast["day"].to_pylist() == [chain.LAST_DAY + timedelta(days=ahead) for ahead in range(1, 29)]
    assert page.past_forecasts.num_rows == 0
    assert [t.num_rows for t in (page.scores, page.response, page.recommendation, page.promotions)] == [1, 1, 1, 1]
    for rows in (page.overview, page.forecast, page.scores, page.response, page.recommendation, page.promotions):
        assert set(rows["store"].to_pylist()) == {"S001"}
        assert set(rows["product"].to_pylist()) == {"P2"}
    whole = lake.store.read("product_kpis", version=lake.states[0]["product_kpis"])
    mine = whole.filter(pc.and_(pc.equal(whole["store"], "S001"), pc.equal(whole["product"], "P2"))).sort_by("day")
    assert page.kpis.equals(mine.select(page.kpis.column_names))
    assert reader.product(EVERY_STORE, "S001", "P2", history_days=7).kpis["day"].to_pylist() == chain.days_before(7)
    assert reader.product(EVERY_STORE, "S001", "P2", kpi_columns=TABLES["product_kpis"].names).kpis.equals(mine)


def test_promotions_of_all_stores_are_a_stores_too(tmp_path: Path) -> None:
    store = DeltaStore(tmp_path / "lake")
    versions = chain.fill(store, tables=("product_kpis", "promotions"), days=chain.days_before(1))
    rows = chain.rows("promotions", stores=["S002"], days=[chain.LAST_DAY], products=["P1"])
    everywhere = rows.set_column(0, rows.schema.field("store"), pa.nulls(1, pa.string()))
    versions["promotions"] = store.commit("promotions", pa.concat_tables([rows, everywhere]), Whole(), {})
    publish(store, versions=versions, published=tmp_path / "p", publication_id="p", at=chain.AT, keep=1)
    reader = Reader(tmp_path / "p")
    assert reader.product(EVERY_STORE, "S001", "P1").promotions["store"].to_pylist() == [None]
    assert reader.table(EVERY_STORE, "promotions", stores=["S002"]).num_rows == 2


def forecast_with_widths(widths: list[float], mean: float = 50.0) -> pa.Table:
    rows = chain.rows("sales_forecast", stores=["S001"], days=[chain.LAST_DAY], products=["P1"])
    for name, factor in (("p025", -1.959964), ("p10", -1.281552), ("p50", 0), ("p90", 1.281552), ("p975", 1.959964)):
        values = pa.array([max(mean + factor * width, 0) if width else 0 for width in widths], pa.float64())
        rows = rows.set_column(rows.column_names.index(name), rows.schema.field(name), values)
    return rows.set_column(5, rows.schema.field("mean"), pa.array([mean] * 28))


@pytest.mark.parametrize(
    ("alpha", "variance"),
    [(0.0, 28.0), (0.1, sum((1 + 0.1 * ahead) ** 2 for ahead in range(28))), (1.0, sum(n * n for n in range(1, 29)))],
)
def test_the_interval_of_the_sum_is_that_of_exponential_smoothing(
    tmp_path: Path, alpha: float, variance: float
) -> None:
    """Worked by hand: the error of 28 days together is the sum of e_j (1 + (28 - j) alpha) over the days j."""
    store = DeltaStore(tmp_path / "lake")
    versions = chain.fill(store, tables=("product_kpis",), stores=["S001"], products=["P1"], days=[chain.LAST_DAY])
    widths = [(1 + ahead * alpha**2) ** 0.5 for ahead in range(28)]
    versions["sales_forecast"] = store.commit("sales_forecast", forecast_with_widths(widths), Whole(), {})
    publish(store, versions=versions, published=tmp_path / "p", publication_id="p", at=chain.AT, keep=1)
    row = Reader(tmp_path / "p").table(EVERY_STORE, "product_overview", stores=["S001"]).to_pylist()[0]
    assert row["forecast_units_28d"] == pytest.approx(1400)
    assert row["forecast_units_28d_p90"] == pytest.approx(1400 + 1.281552 * variance**0.5, rel=1e-6)
    assert row["forecast_units_28d_p10"] == pytest.approx(1400 - 1.281552 * variance**0.5, rel=1e-6)


def test_four_weeks_of_a_product_that_hardly_sells_have_an_interval_though_its_days_have_none(tmp_path: Path) -> None:
    store = DeltaStore(tmp_path / "lake")
    versions = chain.fill(store, tables=("product_kpis",), stores=["S001"], products=["P1"], days=[chain.LAST_DAY])
    rare = forecast_with_widths([0.0] * 28, mean=0.05)
    assert set(rare["p975"].to_pylist()) == {0.0}
    versions["sales_forecast"] = store.commit("sales_forecast", rare, Whole(), {})
    publish(store, versions=versions, published=tmp_path / "p", publication_id="p", at=chain.AT, keep=1)
    row = Reader(tmp_path / "p").table(EVERY_STORE, "product_overview", stores=["S001"]).to_pylist()[0]
    assert row["forecast_units_28d"] == pytest.approx(1.4)
    assert row["forecast_units_28d_p10"] == 0.0
    assert row["forecast_units_28d_p90"] == pytest.approx(1.4 + 1.281552 * 1.4**0.5, rel=1e-6)


def test_a_reader_stays_until_it_is_refreshed(put: Publish, published: Path) -> None:
    put(0)
    reader = Reader(published)
    put(1)
    assert reader.publication.id == "p0"
    assert reader.refresh()
    assert reader.publication == current(published)
    assert not reader.refresh()
    older = reader.open("p0")
    assert not older.refresh()
    assert older.table(EVERY_STORE, "products")["name"][0].as_py() == "name 0"
    assert reader.table(EVERY_STORE, "products")["name"][0].as_py() == "name 1000"


def test_batches_of_a_reader_outlive_a_new_publication(put: Publish, published: Path) -> None:
    put(0, keep=1)
    reader = Reader(published)
    batches = reader.batches(EVERY_STORE, "clean_sales", batch_rows=50)
    first = batches.read_next_batch()
    put(1, keep=1)
    reader.refresh()
    assert first.num_rows + sum(batch.num_rows for batch in batches) == 240


def test_nothing_is_published_yet(published: Path) -> None:
    assert current(published) is None
    with pytest.raises(ServingError, match="run `emma update`"):
        Reader(published)


def test_errors_say_what_there_is(reader: Reader) -> None:
    with pytest.raises(ServingError, match=r"no table 'sales'; there are .*clean_sales"):
        reader.table(EVERY_STORE, "sales")
    with pytest.raises(ServingError, match="no table"):
        reader.rows(EVERY_STORE, "no")
    with pytest.raises(ServingError, match="no column price; it has store, day"):
        reader.table(EVERY_STORE, "clean_sales", columns=["price"])
    with pytest.raises(ServingError, match=r"no store 'S9'; there are 2: S001, S002"):
        reader.table(EVERY_STORE, "clean_sales", stores=["S9"])
    with pytest.raises(ServingError, match="no store"):
        reader.product(EVERY_STORE, "S9", "P1")
    with pytest.raises(ServingError, match="no product 'P9' in store 'S001'"):
        reader.product(EVERY_STORE, "S001", "P9")
    with pytest.raises(ServingError, match="leave the store out"):
        reader.table(EVERY_STORE, "products", stores=["S001"])
    with pytest.raises(ServingError, match="leave the days out"):
        reader.table(EVERY_STORE, "products", first_day=chain.LAST_DAY)
    with pytest.raises(ServingError, match="collection of names"):
        reader.table(EVERY_STORE, "clean_sales", stores="S001")
    with pytest.raises(ServingError, match="kept are: p0"):
        reader.open("p7")


def test_a_lake_that_has_moved(tmp_path: Path) -> None:
    store = DeltaStore(tmp_path / "lake")
    versions = chain.fill(store, tables=("product_kpis",))
    publish(store, versions=versions, published=tmp_path / "p", publication_id="p", at=chain.AT, keep=1)
    (tmp_path / "lake").rename(tmp_path / "elsewhere")
    reader = Reader(tmp_path / "p")
    for read in (reader.table, reader.count):
        with pytest.raises(ServingError, match="run `emma update`"):
            read(EVERY_STORE, "product_kpis")
    publish(
        DeltaStore(tmp_path / "elsewhere"),
        versions=versions,
        published=tmp_path / "p",
        publication_id="q",
        at=chain.AT,
        keep=1,
    )
    assert reader.refresh()
    assert reader.table(EVERY_STORE, "product_kpis").num_rows == 240


def test_a_pointer_that_names_nothing(put: Publish, published: Path) -> None:
    put()
    (published / "current.json").write_text("{}")
    with pytest.raises(ServingError, match="remove it and run"):
        Reader(published)


def test_sql_reads(reader: Reader) -> None:
    found = reader.sql(
        EVERY_STORE, "WITH s AS (SELECT store, sum(units) AS units FROM product_kpis GROUP BY store) SELECT * FROM s"
    )
    assert found.num_rows == 2
    assert reader.sql(EVERY_STORE, "SELECT sold_at FROM clean_sales LIMIT 1").schema.field(
        "sold_at"
    ).type == pa.timestamp("us", "UTC")


@pytest.mark.parametrize(
    "query",
    [
        "CREATE TABLE x (i int)",
        "DELETE FROM products",
        "SELECT 1; SELECT 2",
        "",
        "COPY products TO '{folder}/x.csv'",
        "EXPLAIN ANALYZE COPY products TO '{folder}/x.csv'",
        "SELECT * FROM read_text('{folder}/secret')",
        "SELECT * FROM '{folder}/secret'",
        "ATTACH '{folder}/new.duckdb'",
        "SET enable_external_access = true",
        "SELECT * FROM nowhere",
        "SELECT * FROM reader",
    ],
)
def test_sql_writes_nothing_and_reads_nothing_else(reader: Reader, tmp_path: Path, query: str) -> None:
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(ServingError):
        reader.sql(EVERY_STORE, query.format(folder=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
