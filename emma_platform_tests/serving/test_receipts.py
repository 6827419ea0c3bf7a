"""Receipts, freshness, deliveries and comparisons over a home in which files came late, again, corrected and broken.

What they say is counted again from the files themselves, by a few lines of this module.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

from emma_platform.model.access import EVERY_STORE, StoreScope
from emma_platform.recompute.ledger import upsert
from emma_platform.recompute.maintenance import maintain
from emma_platform.recompute.provenance import checks, runs
from emma_platform.recompute.status import status
from emma_platform.serving.compare import Comparison, compare
from emma_platform.serving.deliveries import PAGE_ROWS, lines_by_day, rows_set_aside, set_aside, troubles
from emma_platform.serving.freshness import freshness
from emma_platform.serving.publication import ServingError
from emma_platform.serving.reader import Reader
from emma_platform.serving.receipts import Lines, Receipt, receipt
from emma_platform_tests.recompute.home import DAY_ONE, NOW, Home, day, sale

LAST = DAY_ONE + timedelta(39)
FIRST = LAST - timedelta(27)
MANAGER = StoreScope.of("S2")


@dataclass(frozen=True)
class Told:
    """A home, its two publications, and what the files of each said."""

    home: Home
    before: Reader
    now: Reader

    def lines(self, store: str, first: date, last: date) -> list[dict[str, str]]:
        """The lines of a store in these days, each with its file; not those of copies."""
        found = []
        for path in self.home.settings.landing.glob("*.csv"):
            if path.name not in {"two stores again.csv", "broken.csv", "products.csv"}:
                rows = csv.DictReader(io.StringIO(path.read_text()))
                found += [row | {"file": path.name} for row in rows if row["store"] == store]
        return [row for row in found if first.isoformat() <= row["sold_at"][:10] <= last.isoformat()]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    home = Home(tmp_path_factory.mktemp("home"))
    week = [sale("S1", on, product) for on in range(40) for product in ("P1", "P2")]
    home.sell("S1.csv", *week, sale("S1", 20, quantity="many"), sale("S1", 21, receipt="T", quantity=0))
    home.sell(
        "two stores.csv",
        *(sale("S2", on, price=3) for on in range(38)),
        sale("S1", 20, receipt="R2"),
        sale("S1", 20, "P1"),  # as in S1.csv
        '"S2",X,some day,P1,1,1\n',
        *(sale("S2", 30, receipt="S2 only", price=-1) for _ in range(PAGE_ROWS + 1)),
    )
    home.drop("products.csv", "product,category,unit_cost\nP1,tea,1.10\nP2,jam,cheap\n")
    home.update()
    before = Reader(home.settings.published)
    home.platform = replace(home.platform, now=lambda: NOW + timedelta(days=1), run="run-2")
    home.drop("two stores again.csv", (home.settings.landing / "two stores.csv").read_bytes())
    home.drop("broken.csv", "this,is\nno,sale\n")
    home.sell("late.csv", sale("S1", 30, receipt="LATE", quantity=2), sale("S2", 5, receipt="LATE", price=3))
    week[66] = sale("S1", 33, quantity=5)
    home.sell("S1.csv", *week, sale("S1", 20, quantity="many"), sale("S1", 21, receipt="T", quantity=0))
    home.update()
    return Told(home, before, Reader(home.settings.published))


@pytest.fixture(scope="module")
def s1(told: Told) -> Receipt:
    return receipt(told.now, EVERY_STORE, "S1", "P1")


@pytest.fixture(scope="module")
def changed(told: Told) -> Comparison:
    return compare(told.now, EVERY_STORE, told.before)


def test_a_receipt_names_the_files_and_their_lines(told: Told, s1: Receipt) -> None:
    assert (s1.store, s1.day, s1.first_day) == ("S1", LAST, FIRST)
    lines = told.lines("S1", FIRST, LAST)
    counted = Counter(row["file"] for row in lines)
    of_product = Counter(row["file"] for row in lines if row["product"] == "P1")
    assert {f.file: (f.lines, f.product_lines) for f in s1.files} == {n: (counted[n], of_product[n]) for n in counted}
    for share in s1.files:
        content = (told.home.settings.landing / share.file).read_bytes()
        assert (share.sha256, share.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    again = {share.file: share.delivered_again for share in s1.files if share.delivered_again}
    assert again == {"two stores.csv": ("two stores again.csv",)}
    assert {f.file: f.taken_on for f in s1.files}["late.csv"] == (NOW + timedelta(days=1)).date()
    assert [(f["file"], f["input"]) for f in s1.reference_files] == [("products.csv", "products")]


def test_the_lines_of_a_receipt_add_up_to_its_figures(told: Told, s1: Receipt) -> None:
    assert s1.store_lines == Lines(lines=2 * 28 + 2 + 2 + 1, clean=2 * 28 + 1 + 1, set_aside=2, duplicates=1)
    assert [(row["reason"], row["lines"]) for row in s1.set_aside] == [("bad_quantity", 1), ("zero_quantity", 1)]
    units = told.now.product(EVERY_STORE, "S1", "P1").overview["units_28d"][0].as_py()
    good = [row for row in told.lines("S1", FIRST, LAST) if row["product"] == "P1" and row["quantity"].isdigit()]
    once = {(row["receipt"], row["sold_at"], row["quantity"]) for row in good}
    assert units == sum(int(quantity) for *_, quantity in once)


def test_a_receipt_says_which_batch_run_and_code_computed_it(told: Told, s1: Receipt) -> None:
    by_table = {computed.table: computed for computed in s1.computations}
    kpis = by_table["product_kpis"]
    assert (kpis.batch, kpis.run, kpis.at) == (2, "run-2", NOW + timedelta(days=1))
    assert kpis.path == f"/assets/product_kpis?partition={LAST}%7CS1"
    assert by_table["price_recommendations"].partition == "S1"
    assert all(computed.code and computed.content for computed in s1.computations)
    earlier = receipt(told.now, EVERY_STORE, "S1", "P1", FIRST - timedelta(1))
    assert {computed.batch for computed in earlier.computations if computed.table == "product_kpis"} == {1}


def test_the_receipt_as_it_was_known_before(told: Told, s1: Receipt) -> None:
    then = receipt(told.before, EVERY_STORE, "S1", "P1")
    assert {share.file for share in s1.files} - {share.file for share in then.files} == {"late.csv"}
    assert {c.batch for c in then.computations} == {1}


def test_there_is_no_receipt_of_a_store_that_may_not_be_seen(told: Told) -> None:
    with pytest.raises(ServingError, match="there is no store 'S1'"):
        receipt(told.now, MANAGER, "S1", "P1")


@pytest.mark.parametrize("scope", [EVERY_STORE, MANAGER])
def test_every_line_that_came_is_accounted_for(told: Told, scope: StoreScope) -> None:
    rows = [r for r in told.now.table(scope, "source_files").to_pylist() if r["input"] == "sales"]
    assert rows
    for row in rows:
        assert row["lines"] == row["clean"] + row["set_aside"] + row["duplicates"]
        assert row["clean"] == row["set_aside"] == 0 or row["copy_of"] is None
    names = ("lines", "clean", "set_aside", "duplicates")
    sums = {name: sum(row[name] for row in rows) for name in names}
    if scope.whole:
        said = status(told.home.platform)["lines"]
        assert sums == {"lines": said["in"]} | {name: said[name] for name in names[1:]}
    else:
        assert {row["store"] for row in rows} == {"S2"}
        assert sums["lines"] == 2 * (38 + PAGE_ROWS + 1) + 1


def test_how_fresh_the_figures_are(told: Told) -> None:
    found = freshness(told.now, EVERY_STORE)
    assert (found.last_day, found.published_at) == (LAST, NOW + timedelta(days=1))
    assert (found.files, found.taken, found.failing, found.waiting) == (6, 5, 1, 0)
    assert [(store.store, store.last_day, store.behind_days) for store in found.behind] == [
        ("S2", LAST - timedelta(2), 2)
    ]
    assert {store.store: store.last_file for store in found.stores} == {"S1": "late.csv", "S2": "late.csv"}
    assert freshness(told.now, EVERY_STORE) is found
    assert freshness(told.before, EVERY_STORE).files == 3


def test_a_manager_learns_of_the_stores_seen_only(told: Told) -> None:
    found = freshness(told.now, MANAGER)
    assert (found.last_day, [store.store for store in found.stores]) == (LAST - timedelta(2), ["S2"])
    assert (found.files, found.failing) == (3, 0)
    assert {change.store for change in compare(told.now, MANAGER, told.before).days} == {"S2"}
    assert troubles(told.now, MANAGER) == ()


def test_files_that_fail_say_why(told: Told) -> None:
    (broken,) = troubles(told.now, EVERY_STORE)
    assert (broken.file, broken.state, broken.was_taken) == ("broken.csv", "failing", False)
    assert "lacks the sales columns" in str(broken.message)


def test_rows_set_aside_by_reason_page_by_page(told: Told) -> None:
    found = {one.reason.code: one.rows for one in set_aside(told.now, EVERY_STORE)}
    assert found == {
        "negative_price": PAGE_ROWS + 1, "bad_quantity": 1, "zero_quantity": 1, "bad_date": 1, "bad_reference": 1,
    }  # fmt: skip
    pages = [rows_set_aside(told.now, EVERY_STORE, "negative_price", page=page) for page in (1, 2)]
    assert [len(rows) for rows in pages] == [PAGE_ROWS + 1, 1]
    (odd,) = rows_set_aside(told.now, EVERY_STORE, "bad_date")
    assert (odd["file"], odd["line"], odd["day"]) == ("two stores.csv", 42, None)
    recent = {"first_day": LAST - timedelta(10), "last_day": LAST}
    assert {one.reason.code for one in set_aside(told.now, EVERY_STORE, **recent)} == {"negative_price"}


def test_lines_by_day(told: Told) -> None:
    found = lines_by_day(told.now, EVERY_STORE, LAST - timedelta(2), LAST)
    assert found == {
        "S1": dict.fromkeys((LAST - timedelta(back) for back in range(3)), 2), "S2": {LAST - timedelta(2): 1},
    }  # fmt: skip


def test_what_changed_is_exactly_what_was_delivered(changed: Comparison) -> None:
    found = {
        (one.store, one.day.isoformat()): (one.revenue, one.units, [(c.file, c.kind) for c in one.causes])
        for one in changed.days
    }
    assert found == {
        ("S1", day(33)): (Decimal("10.00"), Decimal(4), [("S1.csv", "corrected")]),
        ("S1", day(30)): (Decimal("5.00"), Decimal(2), [("late.csv", "late")]),
        ("S2", day(5)): (Decimal("3.00"), Decimal(1), [("late.csv", "late")]),
    }
    assert changed.corrected[0].day.isoformat() == day(33)
    assert changed.new == ()
    assert {one.file: one.kind for one in changed.arrivals} == {
        "S1.csv": "changed", "two stores again.csv": "delivered again", "broken.csv": "failing", "late.csv": "new",
    }  # fmt: skip


def test_nothing_changed_since_itself(told: Told) -> None:
    same = compare(told.now, EVERY_STORE, told.now.open(told.now.publication.id))
    assert (same.days, same.arrivals) == ((), ())


def test_a_day_that_is_gone_and_a_day_that_is_new(told: Told, changed: Comparison) -> None:
    back = compare(told.before, EVERY_STORE, told.now)
    assert {(one.store, one.day): one.revenue for one in back.days} == {
        (one.store, one.day): -one.revenue for one in changed.days
    }
    assert {cause.kind for one in back.days for cause in one.causes} == {"corrected", "gone"}


@pytest.fixture
def later(told: Told) -> Iterator[Home]:
    """The home, to which more happens; what it published before stays."""
    yield told.home
    told.home.platform = replace(told.home.platform, run=None)


def test_a_failing_file_is_published_although_no_table_changed(later: Home) -> None:
    first = Reader(later.settings.published)
    later.update()
    assert not first.refresh()
    later.drop("worse.csv", "nor,this\n1,2\n")
    later.update()
    assert first.refresh()
    assert {one.file for one in troubles(first, EVERY_STORE)} == {"broken.csv", "worse.csv"}
    assert {batch["run"] for batch in first.table(EVERY_STORE, "batches").to_pylist()} >= {None, "run-2"}


def test_a_file_that_went_untaken_is_no_trouble_and_then_forgotten(later: Home) -> None:
    later.withdraw("worse.csv")
    later.sell("a day.csv", sale("S2", 38, price=3))
    later.update()
    reader = Reader(later.settings.published)
    assert {one.file for one in troubles(reader, EVERY_STORE)} == {"broken.csv"}
    assert "worse.csv" in reader.table(EVERY_STORE, "source_files")["file"].to_pylist()
    maintain(later.platform)
    later.sell("a day.csv", sale("S2", 38, price=4))
    later.update()
    assert "worse.csv" not in Reader(later.settings.published).table(EVERY_STORE, "source_files")["file"].to_pylist()


def test_what_is_taken_over_is_what_would_be_told_anew(later: Home) -> None:
    before = Reader(later.settings.published)
    later.sell("more.csv", sale("S2", 39, receipt="M"), sale("S2", 5, receipt="M", price=3))
    later.withdraw("late.csv")
    later.drop("2.csv", (later.settings.landing / "two stores.csv").read_bytes())
    with later.platform.ledger.transaction() as connection:
        row = {"table_name": "clean_sales", "name": "nothing_lost", "passed": False, "at": NOW.isoformat(), "rows": 1}
        upsert(connection, checks, [row | {"broken": {}}])
        upsert(connection, runs, [{"batch": 1, "run": "run-1"}])
    later.update()
    reader = Reader(later.settings.published)
    changes = {one.day.isoformat(): one for one in compare(reader, EVERY_STORE, before).days}
    # What "two stores.csv" said stands under a shorter name now; that is no cause of a change.
    assert {c.file for one in changes.values() for c in one.causes} == {"more.csv"}
    assert list(changes) == [day(39), day(5)]
    assert [one.is_new for one in changes.values()] == [True, False]
    taken_over = {name: _rows(reader, name) for name in ("source_files", "partition_receipts")}
    assert {row["file"]: row["withdrawn"] for row in taken_over["source_files"]}["late.csv"]
    assert freshness(reader, EVERY_STORE).failed == ("clean_sales.nothing_lost",)
    for kept in later.settings.published.glob("serving-*"):
        if kept != reader.publication.file:
            kept.unlink()
    (later.settings.published / "current.json").unlink()
    later.update()
    anew = Reader(later.settings.published)
    assert anew.publication.id != reader.publication.id
    assert {name: _rows(anew, name) for name in taken_over} == taken_over


def _rows(reader: Reader, name: str) -> list[dict[str, object]]:
    rows: pa.Table = reader.table(EVERY_STORE, name)
    return sorted(rows.to_pylist(), key=repr)
