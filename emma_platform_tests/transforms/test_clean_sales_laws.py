from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from emma_platform.engine.duckdb import DuckDBEngine
from emma_platform.model.reasons import REASON_CODES
from emma_platform.model.tables import CLEAN_SALES
from emma_platform_tests.transforms.raw_lines import DAY, clean, kept, line, numbered, reasons, returns


def test_a_return_takes_back_the_latest_sale_before_it_once():
    cleaned = clean(
        [
            line(receipt="A", at="09:00"),
            line(receipt="B", at="10:00"),
            line(receipt="late", at="18:00"),
            line(receipt="dear", at="10:30", unit_price="2.51"),
            line(receipt="other", at="10:30", product="P2"),
            line(receipt="two", at="10:30", quantity="2"),
            line(receipt="first", at="11:00", quantity="-1"),
            line(receipt="second", at="12:00", quantity="-1"),
            line(receipt="third", at="13:00", quantity="-1"),
        ]
    )
    assert returns(cleaned) == {"first": "B", "second": "A", "third": None}


def test_a_return_before_any_sale_takes_none_of_a_later_return():
    cleaned = clean(
        [
            line(receipt="early", at="08:00", quantity="-1"),
            line(receipt="A", at="09:00"),
            line(receipt="now", at="09:00", quantity="-1"),
        ]
    )
    assert returns(cleaned) == {"early": None, "now": "A"}


def test_a_cancellation_takes_back_the_receipt_it_names():
    cleaned = clean(
        [
            line(receipt="1", at="09:00"),
            line(receipt="2", at="10:00"),
            line(receipt="C1", at="11:00", quantity="-1"),
            line(receipt="C9", at="12:00", quantity="-1"),
        ]
    )
    assert returns(cleaned) == {"C1": "1", "C9": "2"}


rubbish = st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
numbers = st.sampled_from(
    ["1", "-1", "2", "0", "101", "-101", "5000", "1.234,5", "1,234.5", ",", "x", "", None, "9" * 40]
)
LINES = st.lists(
    st.fixed_dictionaries(
        {
            "store": st.sampled_from(["S1", "S2"]),
            "file": st.sampled_from(["a.csv", "b.csv"]),
            "receipt": st.sampled_from(["R1", "CR1", "R2", None]) | rubbish,
            "receipt_line": st.sampled_from(["1", "01", "2", None]) | rubbish,
            "product": st.sampled_from(["P1", "P2", "POST", None]) | rubbish,
            "quantity": numbers | rubbish,
            "unit_price": numbers | rubbish,
            "discount": st.sampled_from([None, "", "0", "1"]) | rubbish,
            "currency": st.sampled_from([None, "EUR"]) | rubbish,
            "at": st.sampled_from(["09:00", "10:00"]),
            "decimal_mark": st.sampled_from([".", ","]),
        }
    ).map(lambda values: line(**values)),
    max_size=25,
)


@settings(max_examples=30, deadline=None)
@given(lines=LINES, shuffle=st.randoms(use_true_random=False))
def test_every_line_is_accounted_for_and_the_order_of_lines_is_nothing(lines, shuffle):
    lines = numbered(lines)
    cleaned = clean(lines, limits={"P2": 3})
    counts = cleaned.counts.to_pylist()
    assert Counter({(row["store"], row["day"]): row["lines"] for row in counts}) == Counter(
        (row["store"], row["day"]) for row in lines
    )
    assert all(row["lines"] == row["clean"] + row["set_aside"] + row["duplicates"] for row in counts)
    assert sum(row["clean"] for row in counts) == cleaned.clean_sales.num_rows
    assert sum(row["set_aside"] for row in counts) == cleaned.set_aside_rows.num_rows
    assert set(reasons(cleaned)) <= set(REASON_CODES)
    by_place = {(row["file"], row["line"]): row for row in lines}
    for row in cleaned.set_aside_rows.to_pylist():
        came = by_place[row["file"], row["line"]]
        assert json.loads(row["row"]) == {name: came[name] for name in json.loads(row["row"])}
    keys = [tuple(row[name] for name in CLEAN_SALES.key) for row in cleaned.clean_sales.to_pylist()]
    assert len(set(keys)) == len(keys)

    again = list(lines)
    shuffle.shuffle(again)
    other = clean(again, limits={"P2": 3})
    for name in ("clean_sales", "set_aside_rows", "counts"):
        rows, others = getattr(cleaned, name).to_pylist(), getattr(other, name).to_pylist()
        assert sorted(map(str, rows)) == sorted(map(str, others))


def takes_back(row, sale, *, is_named):
    goods = ("product", "unit_price")
    is_opposite = [row[name] for name in goods] == [sale[name] for name in goods] and row["quantity"] == -sale[
        "quantity"
    ]
    return is_opposite and (not is_named or row["receipt"] == "C" + sale["receipt"])


def slow_returns(rows):
    """Each return in order of time: the sale it names, else the latest one that nobody has taken."""
    order = sorted(rows, key=lambda r: (r["sold_at"], r["is_return"], r["receipt"], r["line"]))
    taken, found = set(), {}
    for is_named in (True, False):
        for place, row in enumerate(order):
            if not row["is_return"] or place in found:
                continue
            before = [i for i, sale in enumerate(order[:place]) if i not in taken and not sale["is_return"]]
            fit = [i for i in before if takes_back(row, order[i], is_named=is_named)]
            if fit:
                taken.add(fit[-1])
                found[place] = order[fit[-1]]["receipt"]
    return {(row["receipt"], row["line"]): found.get(place) for place, row in enumerate(order)}


@settings(max_examples=30, deadline=None)
@given(
    lines=st.lists(
        st.builds(
            line,
            receipt=st.sampled_from(["1", "2", "C1", "C2", "CC1"]),
            receipt_line=st.integers(1, 9).map(str),
            at=st.sampled_from(["09:00", "10:00", "11:00"]),
            quantity=st.sampled_from(["1", "-1"]),
        ),
        max_size=14,
    )
)
def test_returns_are_those_that_a_till_roll_read_line_by_line_gives(lines):
    rows = kept(clean(lines))
    assert {(row["receipt"], row["line"]): row["return_of"] for row in rows} == slow_returns(rows)


def test_one_thread_gives_what_many_give():
    lines = [
        line(
            receipt=f"R{i % 97}",
            product=f"P{i % 13}",
            quantity=str(i % 7 - 2),
            at=f"{i % 24:02d}:00",
            day=DAY + timedelta(days=i % 5),
        )
        for i in range(3000)
    ]
    with DuckDBEngine(threads=1) as one, DuckDBEngine(threads=4) as many:
        first, second = clean(lines, engine=one), clean(lines, engine=many)
        for name in ("clean_sales", "set_aside_rows"):
            content = [
                engine.digest(getattr(cleaned, name), [], getattr(cleaned, name).column_names).to_pylist()
                for engine, cleaned in ((one, first), (many, second))
            ]
            assert content[0] == content[1]
