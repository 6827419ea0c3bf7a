from __future__ import annotations

import ast
import re

import pytest
import sqlglot
from sqlglot import exp

from emma_platform.transforms import sql
from emma_platform.transforms.sql import NAMES, load

EXACT = (exp.DataType.Type.INT, exp.DataType.Type.BIGINT, exp.DataType.Type.SMALLINT, exp.DataType.Type.TINYINT)

# What sqlglot turns into Spark SQL of another meaning, or what the engines answer differently.
FORBIDDEN = (
    exp.DayOfWeek, exp.DayOfWeekIso, exp.Extract, exp.RegexpReplace, exp.Log, exp.Ln, exp.ApproxQuantile,
    exp.ApproxDistinct, exp.PercentileCont, exp.PercentileDisc, exp.Median, exp.Rand, exp.CurrentDate,
    exp.CurrentTimestamp, exp.List, exp.ArrayAgg, exp.GroupConcat, exp.IntDiv,
)  # fmt: skip


def faults(tree: exp.Expression) -> list[str]:
    """The constructs of a statement that are not in the portable subset."""
    found = [node.sql("duckdb") for kind in FORBIDDEN for node in tree.find_all(kind)]
    found += [
        node.sql() for node in tree.find_all(exp.DateDiff) if str(node.args.get("unit")).lower() not in {"day", "'day'"}
    ]
    found += [
        node.sql()
        for node in tree.find_all(exp.Substring)
        if isinstance(node.args.get("start"), exp.Literal) and node.args["start"].this == "0"
    ]
    found += [
        node.sql("duckdb")
        for node in tree.find_all(exp.Cast)
        if node.to.this in EXACT and not is_whole(node.this)
    ]  # fmt: skip
    found += [node.sql() for node in tree.find_all(exp.WindowSpec) if node.args.get("kind") == "RANGE"]
    found += [node.sql() for node in tree.find_all(exp.Anonymous)]
    found += [
        node.sql() for node in tree.find_all(exp.Div) if not all(is_double(side) for side in (node.left, node.right))
    ]
    return found


WHOLE = {
    "receipts",
    "store_receipts",
    "selling_days_28d",
    "days_since_sale",
    "revenue_rank_28d",
    "receipt_line",
    "days",
}
DOUBLE = {"weekly_mean", "units_cv_28d"}


def is_whole(node: exp.Expression) -> bool:
    """A count, or a text checked to hold digits only: their cast rounds nothing."""
    return isinstance(node, exp.Null) or (isinstance(node, exp.Column) and node.name in WHOLE)


def is_double(node: exp.Expression) -> bool:
    """Division of doubles is the same everywhere, by a whole number as well."""
    if isinstance(node, exp.Column):
        return node.name in DOUBLE
    if isinstance(node, exp.Cast):
        return node.to.this == exp.DataType.Type.DOUBLE
    if isinstance(node, exp.Literal):
        return not node.is_string and "." not in node.this
    parts = [part for part in node.iter_expressions() if isinstance(part, exp.Expression)]
    return bool(parts) and all(is_double(part) for part in parts)


@pytest.mark.parametrize("name", NAMES)
def test_a_transform_is_one_statement_of_the_portable_subset(name):
    (tree,) = sqlglot.parse(load(name).text, read="duckdb")
    assert isinstance(tree, exp.Select)
    assert faults(tree) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_transform_becomes_spark_sql_that_parses_again(name):
    (spark,) = sqlglot.transpile(
        load(name).text, read="duckdb", write="spark", unsupported_level=sqlglot.ErrorLevel.RAISE
    )
    assert sqlglot.parse_one(spark, read="spark").find(exp.With)


def test_backslashes_are_still_one_in_spark_sql():
    (spark,) = sqlglot.transpile(load("clean_sales").text, read="duckdb", write="spark")
    literals = re.findall(r"REPLACE\(raw_product, ('(?:\\.|[^'])*'), ('(?:\\.|[^'])*')\)", spark)
    assert [tuple(map(ast.literal_eval, pair)) for pair in literals] == [("\\", "\\\\")]
    assert ast.literal_eval(re.search(r"product RLIKE ('[^']*')", spark)[1]) == r"[\p{L}\p{N}]"


@pytest.mark.parametrize(
    "fault",
    [
        "dayofweek(day)", "extract(dow FROM day)", "date_diff('month', a, b)", "CAST(price AS integer)", "units / 2",
        "CAST(units AS double) / price", "substr(x, 0, 3)", "regexp_replace(x, 'a', 'b')", "list(x ORDER BY y)",
        "log(x)", "median(x)", "sum(x) OVER (ORDER BY day RANGE BETWEEN INTERVAL 6 DAY PRECEDING AND CURRENT ROW)",
        "approx_quantile(x, 0.5)", "now()", "epoch_ns(x)", "a // b",
    ],
)  # fmt: skip
def test_what_is_not_portable_is_found(fault):
    assert faults(sqlglot.parse_one(f"SELECT {fault} AS v FROM t", read="duckdb")), fault


def test_a_digest_follows_the_code_and_not_the_comments(monkeypatch, tmp_path):
    folder = tmp_path / "transforms"
    folder.mkdir()
    monkeypatch.setattr(sql.resources, "files", lambda _: folder)

    def digest(text, module=None):
        (folder / "clean_sales.sql").write_text(text, "utf-8")
        if module is not None:
            (folder / "clean_sales.py").write_text(module, "utf-8")
        return load.__wrapped__("clean_sales").digest

    first = digest("-- a\nSELECT 1\n")
    assert digest("-- another\n  SELECT 1\n") == first
    assert digest("-- a\nSELECT 2\n") != first
    assert digest("SELECT 1", module="x = 1") not in {first, digest("SELECT 1", module="x = 2")}


def test_an_unknown_transform_is_named():
    with pytest.raises(KeyError, match=r"nothing_such.*clean_sales"):
        load("nothing_such")
