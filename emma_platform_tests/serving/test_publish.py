from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emma_platform.model.access import EVERY_STORE
from emma_platform.model.schema import Grain
from emma_platform.model.tables import KEPT, TABLES
from emma_platform.serving.contents import SERVED
from emma_platform.serving.files import LakeFile, newest
from emma_platform.serving.publication import ServingError, current, publications
from emma_platform.serving.publish import publish
from emma_platform.serving.reader import Reader
from emma_platform.store.delta import DeltaStore
from emma_platform.store.protocol import Days, Whole
from emma_platform_tests.serving import chain
from emma_platform_tests.serving.conftest import Lake, Publish


def opened_with_sql_only(published: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"ATTACH '{published / 'serving.duckdb'}' AS emma (READ_ONLY)")
    connection.execute("USE emma")
    return connection


def files_read(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    plan = connection.execute(f"EXPLAIN ANALYZE {query}").fetchall()[0][1]
    return sum(int(number) for number in re.findall(r"Total Files Read: *(\d+)", plan))


def as_set(rows: pa.Table) -> list[str]:
    return sorted(map(repr, rows.to_pylist()))


def test_every_table_is_there_with_its_columns_and_rows(put: Publish, published: Path, lake: Lake) -> None:
    publication = put()
    connection = opened_with_sql_only(published)
    for name in KEPT:
        found = connection.sql(f"SELECT * FROM {name}").to_arrow_table()
        expected = lake.store.read(name, version=lake.states[0][name])
        assert found.cast(TABLES[name].arrow_schema()).schema == expected.schema, name
        assert as_set(found.cast(expected.schema)) == as_set(expected), name
        assert publication.rows[name] == expected.num_rows
    said = connection.execute('SELECT id, "at", "table", version, rows FROM publication').fetchall()
    assert said == [("p0", chain.AT, n, publication.versions[n], publication.rows[n]) for n in KEPT]


def test_people_find_every_column_and_its_meaning_in_sql(put: Publish, published: Path) -> None:
    put()
    connection = opened_with_sql_only(published)
    described = connection.execute('SELECT "table", "column", type, meaning FROM columns').fetchall()
    real = connection.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_catalog = 'emma'"
    ).fetchall()
    spelled = {"timestamp with time zone": "timestamptz"}
    assert {(t, c, spelled.get(d.lower(), d.lower())) for t, c, d in real} == {(t, c, d) for t, c, d, _ in described}
    assert all(meaning for *_, meaning in described)
    assert {table for table, *_ in described} == set(SERVED)


def test_a_filter_on_store_opens_only_its_files(put: Publish, published: Path) -> None:
    put()
    connection = opened_with_sql_only(published)
    assert files_read(connection, "SELECT sum(units) FROM product_kpis") == 4
    assert files_read(connection, "SELECT sum(units) FROM product_kpis WHERE store = 'S002'") == 2
    assert files_read(connection, "SELECT sum(units) FROM product_kpis WHERE store IN ('S002', 'other')") == 2
    assert files_read(connection, "SELECT sum(mean) FROM sales_forecast WHERE store LIKE 'S001'") == 1


@pytest.mark.parametrize("name", chain.ODD_STORES)
def test_stores_with_odd_names(odd_reader: Reader, name: str) -> None:
    quoted = name.replace("'", "''")
    by_view = odd_reader.sql(
        EVERY_STORE, f"SELECT store, day, product, units FROM product_kpis WHERE store = '{quoted}'"
    )
    by_reader = odd_reader.table(
        EVERY_STORE, "product_kpis", stores=[name], columns=["store", "day", "product", "units"]
    )
    assert as_set(by_view) == as_set(by_reader)
    assert by_reader["store"].unique().to_pylist() == [name]
    assert by_reader.num_rows == 9
    assert odd_reader.product(EVERY_STORE, name, "P1").kpis.num_rows == 3
    assert odd_reader.table(EVERY_STORE, "product_overview", stores=[name]).num_rows == 3


@pytest.fixture(scope="module")
def odd_reader(odd_lake: Lake, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    published = tmp_path_factory.mktemp("it's 100% [odd]")
    publish(odd_lake.store, versions=odd_lake.states[0], published=published, publication_id="o", at=chain.AT, keep=1)
    return Reader(published)


def test_odd_names_prune_too(odd_reader: Reader) -> None:
    connection = duckdb.connect()
    path = str(odd_reader.publication.file).replace("'", "''")
    connection.execute(f"ATTACH '{path}' AS emma (READ_ONLY)")
    # Two cannot be told by their folder: NULL, which DuckDB 1.5 reads as no value, and the one that is too long.
    for name in ("Köln/Süd 100%", "", "~", "."):
        assert files_read(connection, f"SELECT sum(units) FROM emma.product_kpis WHERE store = '{name}'") == 1 + 2


def test_rows_without_a_store_day_are_there(tmp_path: Path, published: Path) -> None:
    store = DeltaStore(tmp_path / "lake")
    whole = chain.rows("set_aside_rows", stores=["S1"], days=chain.days_before(2), products=["P"])
    lost = whole.set_column(3, "day", pa.nulls(2, pa.date32()))
    nowhere = lost.set_column(2, "store", pa.nulls(2, pa.string())).set_column(1, "line", pa.array([8, 9]))
    lost = lost.set_column(1, "line", pa.array([6, 7]))
    rows = pa.concat_tables([whole, *(part.cast(whole.schema) for part in (lost, nowhere))])
    version = store.commit("set_aside_rows", rows, Whole(), {})
    publish(
        store,
        versions={"set_aside_rows": version},
        published=published,
        publication_id="p",
        at=chain.AT,
        keep=1,
    )
    reader = Reader(published)
    assert reader.rows(EVERY_STORE, "set_aside_rows") == 6
    assert reader.sql(EVERY_STORE, "SELECT count(*) AS n FROM set_aside_rows WHERE store = 'S1'").to_pylist() == [
        {"n": 4}
    ]
    assert reader.table(EVERY_STORE, "set_aside_rows", stores=["S1"]).num_rows == 4
    assert reader.sql(EVERY_STORE, "SELECT count(*) AS n FROM set_aside_rows WHERE store IS NULL").to_pylist() == [
        {"n": 2}
    ]
    assert reader.table(EVERY_STORE, "set_aside_rows", first_day=chain.LAST_DAY).num_rows == 1


def test_an_empty_platform_publishes_every_table_without_rows(tmp_path: Path, published: Path) -> None:
    publication = publish(
        DeltaStore(tmp_path / "lake"), versions={}, published=published, publication_id="none", at=chain.AT, keep=1
    )
    assert set(publication.rows.values()) == {0}
    reader = Reader(published)
    for name in reader.tables():
        assert reader.table(EVERY_STORE, name).schema == SERVED[name].arrow_schema()
    assert reader.table(EVERY_STORE, "product_overview").num_rows == 0
    assert reader.stores(EVERY_STORE) == ()


def test_a_version_whose_rows_are_gone(tmp_path: Path, published: Path) -> None:
    store = DeltaStore(tmp_path / "lake")
    chain.fill(store, tables=("product_kpis",), days=chain.days_before(2))
    empty = TABLES["product_kpis"].arrow_schema().empty_table()
    store.commit("product_kpis", empty, Days({"S001": frozenset({chain.LAST_DAY})}), {})
    version = store.version("product_kpis")
    publish(store, versions={"product_kpis": version}, published=published, publication_id="p", at=chain.AT, keep=1)
    last = {(row["store"], row["day"]) for row in Reader(published).table(EVERY_STORE, "product_overview").to_pylist()}
    assert last == {("S001", chain.days_before(2)[0]), ("S002", chain.LAST_DAY)}


def test_a_second_publication_leaves_the_first_as_it_was(put: Publish, published: Path) -> None:
    first = put(0)
    before = hashlib.sha256(first.file.read_bytes()).hexdigest()
    reader = Reader(published)
    rows = as_set(reader.table(EVERY_STORE, "clean_sales"))
    second = put(1)
    assert hashlib.sha256(first.file.read_bytes()).hexdigest() == before
    assert as_set(reader.table(EVERY_STORE, "clean_sales")) == rows
    assert as_set(reader.open("p0").table(EVERY_STORE, "clean_sales")) == rows
    assert [p.id for p in publications(published)] == ["p1", "p0"]
    assert current(published) == second
    assert json.loads((published / "current.json").read_text())["id"] == "p1"
    assert (published / "serving.duckdb").resolve() == second.file


def test_old_publications_and_leftovers_go(put: Publish, published: Path) -> None:
    put(0, keep=2)
    for name in (
        ".serving-x.duckdb.partial",
        ".serving-x.duckdb.partial.wal",
        "serving-y.duckdb",
        "serving-y.arrow",
        ".serving-y.arrow.partial",
        ".current.json.partial",
    ):
        (published / name).write_text("left by a crash")
    put(1, keep=2)
    put(2, keep=2)
    assert sorted(path.name for path in published.iterdir()) == [
        "current.json", "pages", "serving-p1.arrow", "serving-p1.duckdb", "serving-p2.arrow", "serving-p2.duckdb",
        "serving.duckdb",
    ]  # fmt: skip


def test_a_crash_between_the_pointer_and_the_link(put: Publish, published: Path) -> None:
    first = put(0, keep=1)
    content = first.file.read_bytes()
    second = put(1, keep=1)
    first.file.write_bytes(content)
    (published / "serving.duckdb").unlink()
    (published / "serving.duckdb").symlink_to(first.file.name)
    with pytest.raises(ServingError):
        put(2, publication_id="p1")
    assert not first.file.exists()
    assert (published / "serving.duckdb").resolve() == second.file


def test_the_newest_files_have_rows() -> None:
    files = [
        LakeFile("product_kpis", "S1", month, month, rows, by_folder=True)
        for month, rows in (("2026-10", 1), ("2026-11", 0))
    ]
    assert newest(files) == ["2026-10"]


def test_each_file_is_listed_with_the_month_of_its_rows(put: Publish, published: Path) -> None:
    put()
    listed = opened_with_sql_only(published).execute(
        'SELECT "table", month, path FROM publication_files WHERE store IS NOT NULL'
    )
    months = set()
    for table, month, path in listed.fetchall():
        if TABLES[table].grain is Grain.STORE:
            assert month is None
        else:
            days = pq.read_table(path, columns=["day"], partitioning=None)["day"].to_pylist()
            assert {month} == {day.isoformat()[:7] for day in days}
            months.add(month)
    assert len(months) > 1


def test_publishing_the_same_again_changes_nothing(put: Publish, published: Path) -> None:
    first = put(0)
    before = first.file.stat().st_mtime_ns, first.file.stat().st_ino
    assert put(0) == first
    assert (first.file.stat().st_mtime_ns, first.file.stat().st_ino) == before
    with pytest.raises(ServingError, match="exists already"):
        put(1, publication_id="p0")


@pytest.mark.parametrize("wrong", ["", "../x", "a b", ".hidden"])
def test_ids_that_are_no_file_names(put: Publish, wrong: str) -> None:
    with pytest.raises(ServingError, match="cannot publish"):
        put(0, publication_id=wrong or " ")


def test_a_time_without_a_zone(lake: Lake, published: Path) -> None:
    with pytest.raises(ServingError, match="has a zone"):
        publish(lake.store, versions={}, published=published, publication_id="p", at=datetime(2026, 1, 1), keep=1)  # noqa: DTZ001


def test_a_home_whose_folder_reads_as_a_column(tmp_path: Path, published: Path) -> None:
    store = DeltaStore(tmp_path / "day=5" / "lake")
    versions = chain.fill(store, tables=("stock",), days=chain.days_before(1))
    with pytest.raises(ServingError, match="holds no '='"):
        publish(store, versions=versions, published=published, publication_id="p", at=chain.AT, keep=1)


def test_the_file_has_the_storage_version_of_duckdb_1_5(put: Publish, published: Path) -> None:
    put()
    tags = opened_with_sql_only(published).execute("SELECT tags FROM duckdb_databases() WHERE database_name = 'emma'")
    assert "v1.5" in str(tags.fetchall())
