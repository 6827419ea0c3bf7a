"""Who sees some stores learns nothing of the others: every answer is as if the others did not exist.

Two publications: one of three stores, one of the same without the third. Whatever the reader and every function over it
answers to the scope of the two must be the same from both, totals and errors included. The functions are found, not
listed: a new one fails here until it takes a scope and `CALLS` says how to ask it.
"""

from __future__ import annotations

import importlib
import inspect
import io
import pkgutil
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from emma_platform import serving
from emma_platform.model.access import EVERY_STORE, StoreScope
from emma_platform.model.provenance import PARTITION_RECEIPTS, SOURCE_FILES
from emma_platform.model.tables import KEPT
from emma_platform.serving.advice import AdviceError, advice_for, all_advice, decide
from emma_platform.serving.advice_account import account
from emma_platform.serving.change_rows import change_rows
from emma_platform.serving.change_sums import content, sums
from emma_platform.serving.changes import BY, explain_change
from emma_platform.serving.compare import compare
from emma_platform.serving.contents import SERVED
from emma_platform.serving.deliveries import lines_by_day, rows_set_aside, set_aside, troubles
from emma_platform.serving.experiments import experiments
from emma_platform.serving.export import export
from emma_platform.serving.freshness import freshness
from emma_platform.serving.kept_changes import CHANGES, kept_change
from emma_platform.serving.periods import Period, last_periods, period
from emma_platform.serving.product_list import Asked, all_products, product_list
from emma_platform.serving.provenance import Provenance
from emma_platform.serving.publication import ServingError
from emma_platform.serving.publish import publish
from emma_platform.serving.reader import Reader
from emma_platform.serving.receipts import receipt
from emma_platform.serving.report_card import report_card
from emma_platform.serving.sums_ahead import sum_ahead
from emma_platform.settings import Settings
from emma_platform.store.delta import DeltaStore
from emma_platform.store.protocol import Whole
from emma_platform_tests.serving import chain

SEEN, HIDDEN = ("A1", "B2"), "HIDDEN9"
SCOPE = StoreScope.of(*SEEN)
SPAN = {"first_day": chain.LAST_DAY - timedelta(3), "last_day": chain.LAST_DAY}
SECOND = Period(chain.LAST_DAY - timedelta(6), chain.LAST_DAY)
WEEKS = (SECOND.before(), SECOND)
MONTHS = last_periods(chain.LAST_DAY)
NO_ROWS_OF_STORES = {"open", "refresh", "stays", "tables", "warm"}
"""Methods of the reader that say nothing of any store."""

ONLY_REFUSES = {"Reader.check_stores"}
"""Methods whose whole answer is an error, or none."""

Question = Callable[[Reader, StoreScope], object]


def each(*asked: Any) -> list[Any]:
    """Nothing asked for, a store that is seen, the hidden one, and one that nobody has."""
    return [*asked, *SEEN, HIDDEN, "no such store"]


AT_HAND = ("stores", "first_days", "last_days", "promotions", "received", "file_states")
LIVES = [(store, chain.days_before(40)[0], date.max) for store in each()]
"""Store, first and last day, as `kept_changes` has them."""


def of_tables(method: Callable[..., Any]) -> list[Question]:
    """A question about every table, whole, of some stores and of some days."""
    filters: list[dict[str, Any]] = [{}, *({"stores": [store]} for store in each()), SPAN]
    return [partial(method, **{"name": name, **chosen}) for name in SERVED for chosen in filters]


def keyword(function: Callable[..., Any], **asked: list[Any]) -> list[Question]:
    return [partial(function, **{name: value}) for name, values in asked.items() for value in values]


def kept(reader: Reader, scope: StoreScope, store: str) -> object:
    found = reader.store_rows(scope, store, CHANGES)
    return found and dict(found.tables)


def decided(reader: Reader, scope: StoreScope, store: str, home: Path) -> object:
    asked = {"price": Decimal(2), "reason": "x", "now": chain.AT}
    return decide(reader, scope, Settings(home=home), store, "P1", "change", **asked)


def written(reader: Reader, scope: StoreScope, **asked: Any) -> bytes:
    out = io.BytesIO()
    export(reader, scope, out=out, **asked)
    return b"\n".join(sorted(re.sub(rb"[^\"]*/lake/[^\"]*", b"", out.getvalue()).splitlines()))


def calls(home: Path, earlier: Reader) -> dict[str, list[Question]]:
    """How each method of the reader and each function over it is asked, by name."""
    landing = home / "landing"
    return {
        "Reader.stores": [Reader.stores],
        "Reader.rows": [partial(Reader.rows, name=name) for name in SERVED],
        "Reader.count": of_tables(Reader.count),
        "Reader.table": of_tables(Reader.table),
        "Reader.batches": of_tables(Reader.batches),
        "Reader.paths": of_tables(Reader.paths),
        "Reader.store_days": keyword(Reader.store_days, stores=[None, *([store] for store in each())]),
        "Reader.last_days": [Reader.last_days],
        "Reader.overview_row": [partial(Reader.overview_row, store=s, product=p) for s in each() for p in ("P1", "P9")],
        "Reader.product": [partial(Reader.product, store=s, product=p) for s in each() for p in ("P1", "P9")],
        "Reader.ask": [
            partial(Reader.ask, name=name, question="SELECT count(*) AS n FROM {rows}", stores=stores)
            for name in ("clean_sales", "source_files", "partition_receipts", "set_aside_rows")
            for stores in (None, *([store] for store in each()))
        ],
        "Reader.listing": [lambda reader, scope: reader.listing(scope).rows],
        "Reader.check_stores": [partial(Reader.check_stores, stores=[store]) for store in each()],
        "product_list": [partial(product_list, asked=Asked(stores=frozenset(s))) for s in ((), *([s] for s in each()))],
        "all_products": [partial(all_products, asked=Asked(sort=name)) for name in ("revenue", "growth")],
        "Reader.sql": [partial(Reader.sql, query="SELECT count(*) FROM clean_sales")],
        "period": [period],
        "explain_change": [
            partial(explain_change, kpi=kpi, first=SECOND.before(), second=SECOND, stores=stores, by=by)
            for kpi, by, stores in (
                *(("gross_margin", by, None) for by in BY),
                *(("receipts", "store", stores) for stores in (None, ["A1"], [HIDDEN], ["no such store"])),
            )
        ],
        "content": [partial(content, periods=WEEKS, stores=[s]) for s in each()],
        "sums": [partial(sums, periods=WEEKS, lives=((s, date.min, date.max),)) for s in each()],
        "change_rows": [
            partial(change_rows, kpi="units", periods=WEEKS, lives=((s, date.min, date.max),)) for s in each()
        ],
        "kept_change": [partial(kept_change, kpi="units", periods=MONTHS, lives=(life,)) for life in LIVES],
        "Reader.at_hand": [partial(Reader.at_hand, name=name) for name in AT_HAND],
        "Reader.store_names": [Reader.store_names],
        "Reader.store_rows": [partial(kept, store=store) for store in each()],
        "report_card": keyword(report_card, stores=[None, *([s] for s in each())], by=["store", "category", "product"]),
        "sum_ahead": keyword(sum_ahead, stores=[None, *([store] for store in each())]),
        "receipt": [partial(receipt, store=store, product="P1") for store in each()],
        "freshness": [freshness],
        "compare": [partial(compare, before=earlier)],
        "troubles": [troubles],
        "set_aside": keyword(set_aside, stores=[None, *([store] for store in each())]),
        "rows_set_aside": keyword(partial(rows_set_aside, reason="bad_price"), page=[1, 2]),
        "lines_by_day": [partial(lines_by_day, **SPAN)],
        "all_advice": [partial(all_advice, landing=landing, store=store) for store in each(None)],
        "advice_for": [partial(advice_for, landing=landing, store=store, product="P1") for store in each()],
        "decide": [partial(decided, store=store, home=home) for store in each()],
        "experiments": keyword(experiments, store=each(None)),
        "account": keyword(account, store=each(None)),
        "export": [partial(written, table=name, format="csv") for name in SERVED],
    }


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reader, Reader]:
    """Of the two stores alone, and of all three."""
    return published(tmp_path_factory.mktemp("two"), hidden=False), published(tmp_path_factory.mktemp("three"))


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """A publication before, in which nothing was known yet."""
    folder = tmp_path_factory.mktemp("none")
    publish(DeltaStore(folder / "lake"), versions={}, published=folder, publication_id="o", at=chain.AT, keep=1)
    return Reader(folder)


def told(stores: Sequence[str | None]) -> Provenance:
    """Files of these stores, one of them failing, and what was computed of them."""
    files = [
        dict.fromkeys(SOURCE_FILES.names)
        | {"file": f"{store}.csv", "store": store, "input": "sales", "state": "failing", "sha256": "x", "bytes": 1}
        | {"taken_on": chain.LAST_DAY, "lines": 3, "clean": 3, "set_aside": 0, "duplicates": 0, "days": 1}
        | {"withdrawn": False}
        for store in stores
    ]
    computed = [
        {"table": "sales_forecast", "store": store, "day": None, "rows": 1, "content": "1", "batch": 1}
        for store in stores
        if store is not None
    ]
    return Provenance(
        source_files=pa.Table.from_pylist(files, SOURCE_FILES.arrow_schema()),
        partition_receipts=pa.Table.from_pylist(computed, PARTITION_RECEIPTS.arrow_schema()),
    )


def published(folder: Path, *, hidden: bool = True) -> Reader:
    store, versions = DeltaStore(folder / "lake"), {}
    for name in KEPT:
        rows = chain.rows(name, stores=(*SEEN, HIDDEN), days=chain.days_before(40), products=("P1", "P2"))
        if name == "price_recommendations":  # the hidden store is who the first would be compared with in a price test
            status = ["hold" if store == "B2" else "explore" for store in rows["store"].to_pylist()]
            place = rows.schema.get_field_index("status")
            rows = rows.set_column(place, rows.schema.field(place), pa.array(status))
        if name == "sales_forecast_totals":  # of whole stores, for days to come
            level = rows.schema.get_field_index("level")
            rows = rows.set_column(level, rows.schema.field(level), pa.array(["store"] * rows.num_rows))
            for column in ("category", "actual_units"):
                place = rows.schema.get_field_index(column)
                nothing = pa.nulls(rows.num_rows, rows.schema.types[place])
                rows = rows.set_column(place, rows.schema.field(place), nothing)
        if "store" in rows.column_names and not hidden:
            rows = rows.filter(pc.not_equal(rows["store"], HIDDEN))
        elif name == "set_aside_rows" and hidden:
            nobodys = rows.slice(0, 1).set_column(2, rows.schema.field("store"), pa.nulls(1, pa.string()))
            rows = pa.concat_tables([rows, nobodys])
        elif name in ("price_priors", "forecast_model") and not hidden:
            rows = rows.slice(0, 1)
        versions[name] = store.commit(name, rows, Whole(), {})
    known = told((*SEEN, HIDDEN, None) if hidden else SEEN)
    publish(
        store,
        versions=versions,
        published=folder / "p",
        publication_id="p",
        at=chain.AT,
        keep=1,
        told=lambda _before: known,
    )
    return Reader(folder / "p")


def discovered() -> Iterator[tuple[str, FunctionType]]:
    """Every public method of the reader, and every public function of the package that takes one."""
    for name, method in inspect.getmembers(Reader, inspect.isfunction):
        if not name.startswith("_") and name not in NO_ROWS_OF_STORES:
            yield f"Reader.{name}", method
    for module in pkgutil.iter_modules(serving.__path__, "emma_platform.serving."):
        for name, function in inspect.getmembers(importlib.import_module(module.name), inspect.isfunction):
            annotations = inspect.get_annotations(function)
            if function.__module__ == module.name and "Reader" in annotations.values() and not name.startswith("_"):
                yield name, function


FOUND = dict(discovered())


@pytest.mark.parametrize(("name", "function"), list(FOUND.items()))
def test_it_takes_a_scope_and_has_no_default_for_it(name: str, function: FunctionType) -> None:
    _, second = list(inspect.signature(function).parameters.values())[:2]
    assert (second.name, second.annotation) == ("scope", "StoreScope")
    assert second.default is inspect.Parameter.empty


@pytest.mark.parametrize("name", list(FOUND))
def test_the_answer_is_as_if_the_other_store_did_not_exist(
    readers: tuple[Reader, Reader], earlier: Reader, tmp_path: Path, name: str
) -> None:
    alone, among_others = readers
    for number, question in enumerate(calls(tmp_path, earlier)[name]):
        answers = [answer(question, reader, SCOPE) for reader in (alone, among_others)]
        assert answers[0] == answers[1], (name, number, question)


@pytest.mark.parametrize("name", [name for name in FOUND if name != "period"])
def test_the_question_would_tell_of_the_other_store(
    readers: tuple[Reader, Reader], earlier: Reader, tmp_path: Path, name: str
) -> None:
    """To who sees every store, answers from the two publications differ: the test above proves something."""
    alone, among_others = readers
    questions = calls(tmp_path, earlier)[name]
    alike = [[answer(question, reader, EVERY_STORE) for reader in (alone, among_others)] for question in questions]
    assert any(mine != theirs and (name in ONLY_REFUSES or not isinstance(theirs, str)) for mine, theirs in alike)


def answer(question: Question, reader: Reader, scope: StoreScope) -> object:
    try:
        return plain(question(reader, scope))
    except (ServingError, AdviceError) as error:
        return str(error)


def plain(value: Any) -> Any:
    """Comparable between two lakes: rows in any order, no path but its store's folder."""
    if isinstance(value, pa.RecordBatchReader):
        value = value.read_all()
    if isinstance(value, pa.Table):
        kept = value.drop_columns([name for name in value.column_names if name == "path"])
        return kept.schema, sorted(map(repr, kept.to_pylist()))
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, str) and "/lake/" in value:
        return value.split("/lake/")[1].rpartition("/")[0]
    return value
