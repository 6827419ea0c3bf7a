from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emma_platform.engine.duckdb import DuckDBEngine, EngineError
from emma_platform.engine.protocol import Engine
from emma_platform.model.schema import Type
from emma_platform.model.tables import STOCK, TABLES
from emma_platform.store.protocol import Files

DAY = date(2026, 3, 2)


@pytest.fixture(scope="module")
def engine():
    with DuckDBEngine(threads=2) as engine:
        yield engine


def stock(*on_hand):
    return pa.Table.from_pylist(
        [
            {"store": "S1", "day": DAY, "file": "s.csv", "line": place, "product": "P1", "on_hand": Decimal(value)}
            for place, value in enumerate(on_hand, start=2)
        ],
        schema=STOCK.arrow_schema(),
    )


def test_it_is_an_engine(engine):
    checked: Engine = engine
    assert checked.run("SELECT 1 AS one", {}).to_pylist() == [{"one": 1}]


@pytest.mark.parametrize(
    "folder", ["plain", "store_key=S1", "day=2020-01-01", "it's [1]", "a*b?c", "{a,b}", "100%20", "ü ñ"]
)
def test_files_are_read_with_the_columns_of_their_table(engine, tmp_path, folder):
    where = tmp_path / folder
    where.mkdir()
    for name, rows in (("1.parquet", stock("1", "2")), ("2.parquet", stock("3"))):
        pq.write_table(rows.append_column("more", pa.nulls(len(rows))), where / name)
    files = Files("stock", (str(where / "1.parquet"), str(where / "2.parquet")))
    rows = engine.run("SELECT * FROM counted ORDER BY on_hand", {"counted": files})
    assert rows.schema.names == list(STOCK.names)
    assert rows["on_hand"].to_pylist() == [1, 2, 3]
    assert set(rows["day"].to_pylist()) == {DAY}


def test_a_path_with_wildcards_never_reads_another_file(engine, tmp_path):
    pq.write_table(stock("1"), tmp_path / "ab.parquet")
    pq.write_table(stock("2"), tmp_path / "a*.parquet")
    rows = engine.run("SELECT on_hand FROM stock", {"stock": Files("stock", (str(tmp_path / "a*.parquet"),))})
    assert rows["on_hand"].to_pylist() == [2]


@pytest.mark.parametrize("name", TABLES)
def test_no_files_are_an_empty_table(engine, name):
    rows = engine.run(f'SELECT * FROM "{name}"', {name: Files(name, ())})
    assert rows.num_rows == 0
    assert {f.name: f.type for f in rows.schema} == {c.name: c.type.arrow() for c in TABLES[name].columns}


def test_every_type_comes_back_as_it_went_in(engine):
    values = {
        Type.TEXT: "ä\n\"'", Type.DAY: DAY, Type.INSTANT: datetime(2026, 3, 29, 1, 30, tzinfo=UTC), Type.COUNT: 2**60,
        Type.FLAG: True, Type.QUANTITY: Decimal("-0.001"), Type.PRICE: Decimal("0.000001"),
        Type.MONEY: Decimal("99999999999999.9999"), Type.NUMBER: 0.1,
    }  # fmt: skip
    assert values.keys() == set(Type)
    schema = pa.schema([(kind.name, kind.arrow()) for kind in Type])
    rows = pa.Table.from_pylist([{kind.name: value for kind, value in values.items()}, {}], schema=schema)
    back = engine.run("SELECT * FROM rows", {"rows": rows})
    assert back.schema == schema
    assert back.equals(rows)


def test_parameters_are_values_not_text(engine):
    parameters = {"text": "x'; drop table t; --", "number": 1.5, "day": DAY, "codes": ["A", "B"], "none": []}
    (row,) = engine.run(
        "SELECT $text AS text, $number AS number, $day AS day, list_contains($codes, 'B') AS holds,"
        " list_contains($none, 'B') AS empty",
        {},
        parameters,
    ).to_pylist()
    assert row == {"text": parameters["text"], "number": 1.5, "day": DAY, "holds": True, "empty": False}


@pytest.mark.parametrize("name", ["rows", "tables", "stock", "TABLES"])
def test_a_missing_input_is_an_error_even_when_a_variable_has_its_name(engine, name):
    with pytest.raises(EngineError, match=name):
        engine.run(f"SELECT * FROM {name}", {"other": stock("1")})


def test_inputs_of_one_statement_are_gone_in_the_next(engine):
    engine.run("SELECT * FROM once", {"once": pa.table({"a": [1]})})
    with pytest.raises(EngineError, match="once"):
        engine.run("SELECT * FROM once", {})


def test_a_failure_names_the_inputs_and_the_value(engine):
    with pytest.raises(EngineError, match=r"over stock: .*300"):
        engine.run("SELECT CAST(on_hand AS tinyint) FROM stock", {"stock": stock("300")})


def test_instants_are_in_utc_whatever_the_machine_says(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    with DuckDBEngine(threads=1) as engine:
        rows = engine.run("SELECT CAST(timestamptz '2026-03-02 23:30:00+00' AS date) AS day", {})
    assert rows["day"].to_pylist() == [DAY]


def test_threads_may_share_it(engine):
    def total(n):
        frame = pa.table({"a": pa.array(range(n), pa.int64())})
        return engine.run("SELECT count(*) AS n FROM frame", {"frame": frame})["n"].to_pylist()[0]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(total, range(60))) == list(range(60))


def test_it_spills_where_it_is_told_and_leaves_nothing(tmp_path):
    spill = tmp_path / "spill"
    with DuckDBEngine(threads=1, memory_limit="40MB", spill=spill) as engine:
        numbers = pa.table({"a": pa.array(range(1_500_000), pa.int64())})
        sql = "SELECT max(place) AS places FROM (SELECT row_number() OVER (ORDER BY hash(a)) AS place, * FROM numbers)"
        assert engine.run(sql, {"numbers": numbers})["places"].to_pylist() == [1_500_000]
        assert spill.exists()
    assert not spill.exists() or not list(spill.iterdir())


values = st.fixed_dictionaries(
    {
        "store": st.sampled_from(["S1", "S2", None]),
        "text": st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
        "money": st.none() | st.decimals("-9", "9", places=4),
        "at": st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        "number": st.none() | st.floats(allow_nan=False),
    }
)
SCHEMA = pa.schema(
    [
        ("store", pa.string()),
        ("text", pa.string()),
        ("money", pa.decimal128(18, 4)),
        ("at", pa.timestamp("us", tz="UTC")),
        ("number", pa.float64()),
    ]
)
COLUMNS = ("text", "money", "at", "number")


def contents(engine, rows):
    digests = engine.digest(pa.Table.from_pylist(rows, schema=SCHEMA), ["store"], COLUMNS).to_pylist()
    return {row["store"]: (row["rows"], row["content"]) for row in digests}


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(values, max_size=12), other=values, shuffle=st.randoms(use_true_random=False))
def test_a_digest_tells_multisets_of_rows_apart_whatever_their_order(engine, rows, other, shuffle):
    found = contents(engine, rows)
    stores = [row["store"] for row in rows]
    assert {store: count for store, (count, _) in found.items()} == {store: stores.count(store) for store in stores}
    again = list(rows)
    shuffle.shuffle(again)
    assert contents(engine, again) == found
    for store in {*found, other["store"]}:
        with_more, twice = (contents(engine, [*rows, *[other] * n])[other["store"]][1] for n in (1, 2))
        assert len({with_more, twice, found.get(other["store"], (0, ""))[1]}) == 3, store


def test_rows_that_swap_a_value_have_another_digest(engine):
    frame = pa.table({"a": ["x", "y"], "b": ["1", "2"]})
    swapped = pa.table({"a": ["x", "y"], "b": ["2", "1"]})
    assert engine.digest(frame, [], ["a", "b"]) != engine.digest(swapped, [], ["a", "b"])
    assert engine.digest(frame, [], ["a"]) == engine.digest(swapped, [], ["a"])
    assert engine.digest(frame, [], ["a", "b"]) != engine.digest(frame, [], ["b", "a"])


def test_a_null_is_no_empty_text(engine):
    null, empty = (pa.table({"a": pa.array([value], pa.string())}) for value in (None, ""))
    assert engine.digest(null, [], ["a"]) != engine.digest(empty, [], ["a"])


def test_a_digest_of_no_rows_has_no_groups(engine):
    assert engine.digest(stock(), ["store", "day"], ["on_hand"]).num_rows == 0
    assert engine.digest(stock(), [], ["on_hand"]).num_rows == 0


def test_a_digest_of_a_missing_column_is_an_error(engine):
    with pytest.raises(EngineError, match="price"):
        engine.digest(stock("1"), ["store"], ["price"])
