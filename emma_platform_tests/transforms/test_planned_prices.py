"""Prices known ahead: what they do to the forecast, whose word counts, and that the truth lies where it is said to."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from emma_platform.model.advice import ADVICE_DECISIONS
from emma_platform.model.tables import CALENDAR, PRICE_PLAN, PROMOTIONS
from emma_platform.transforms.forecast import forecast_store
from emma_platform.transforms.planned_prices import with_decisions
from emma_platform.transforms.price_evidence import price_evidence
from emma_platform.transforms.price_priors import price_priors
from emma_platform.transforms.price_recommendations import recommend
from emma_platform.transforms.price_response import price_response
from emma_platform_tests.transforms.price_world import (
    GUARDRAILS,
    LAST,
    NO_PROMOTIONS,
    NO_STOCK_OUTS,
    evidence_rows,
    latest_rows,
    listed_rows,
    response_rows,
    sales,
    world,
)

DAYS, LEVEL = 200, 20.0


def ahead(days):
    return LAST + timedelta(days=days)


def plan(*rows):
    """Rows of (store, product, first day, last day or None, price), days counted from the last known one."""
    names = PRICE_PLAN.names
    return pa.Table.from_pylist(
        [
            dict(zip(names, (store, product, ahead(first), None if last is None else ahead(last), price), strict=True))
            for store, product, first, last, price in ((*row[:4], Decimal(str(row[4]))) for row in rows)
        ],
        schema=PRICE_PLAN.arrow_schema(),
    )


def promoted(*rows):
    """Promotions of every store: (product, first day, last day), days counted from the last known one."""
    return pa.Table.from_pylist(
        [
            {"store": None, "product": product, "first_day": ahead(first), "last_day": ahead(last), "kind": None}
            for product, first, last in rows
        ],
        schema=PROMOTIONS.arrow_schema(),
    )


def shop(price=None, units=None):
    """Three products at 2.00 that sell 20 a day."""
    price = np.full((3, DAYS), 2.0) if price is None else price
    return sales(np.full((3, DAYS), LEVEL) if units is None else units, price)


def made(demand, planned, *, promotions=NO_PROMOTIONS, error=0.0, elasticity=-2.0, store="S"):
    return forecast_store(
        demand,
        promotions,
        CALENDAR.arrow_schema().empty_table(),
        store=store,
        made_on=LAST,
        history_days=DAYS,
        plan=planned,
        response=response_rows(elasticity=[elasticity] * 3, std_error=[error] * 3),
    )


def newest(result, column="mean", product="P000"):
    rows = result.sales_forecast.to_pandas()
    rows = rows[(rows["made_on"] == LAST) & (rows["product"] == product)]
    return rows.sort_values("horizon_days")[column].to_numpy(dtype=float)


def test_demand_follows_a_planned_price_by_its_elasticity_from_its_first_day_to_its_last():
    result = made(shop(), plan((None, "P000", 8, 14, 1.8)))
    inside = (np.arange(1, 29) >= 8) & (np.arange(1, 29) <= 14)
    np.testing.assert_allclose(newest(result), np.where(inside, LEVEL * 0.9**-2, LEVEL), rtol=1e-9)
    np.testing.assert_array_equal(newest(result, "planned_price"), np.where(inside, 1.8, np.nan))
    np.testing.assert_allclose(newest(result, product="P001"), LEVEL, rtol=1e-9)
    totals = result.sales_forecast_totals.to_pandas()
    totals = totals[(totals["made_on"] == LAST) & (totals["level"] == "store")].sort_values("day")
    np.testing.assert_allclose(totals["mean"], newest(result) + 2 * LEVEL, rtol=1e-9)


def test_what_is_not_known_of_the_elasticity_widens_the_interval():
    planned = plan((None, "P000", 1, None, 1.6))
    demand = shop(units=np.random.default_rng(2).poisson(LEVEL, (3, DAYS)))
    sure, unsure = made(demand, planned), made(demand, planned, error=0.5)
    np.testing.assert_array_equal(newest(sure), newest(unsure))
    wide, narrow = (newest(each, "p975") - newest(each, "p025") for each in (unsure, sure))
    added = 2 * 1.96 * 0.5 * abs(np.log(0.8)) * newest(unsure)
    np.testing.assert_allclose(wide, np.hypot(narrow, added), rtol=0.12)
    untouched = [newest(each, "p975", "P001") for each in (unsure, sure)]
    np.testing.assert_array_equal(*untouched)


@pytest.mark.parametrize(
    ("rows", "prices"),
    [
        ([(None, "P000", 3, None, 1.9), (None, "P000", 10, None, 1.7)], {2: None, 3: 1.9, 9: 1.9, 10: 1.7, 28: 1.7}),
        ([(None, "P000", 3, None, 1.9), (None, "P000", 5, 6, 1.5)], {4: 1.9, 5: 1.5, 6: 1.5, 7: 1.9}),
        ([("S", "P000", 3, None, 1.8), (None, "P000", 3, None, 1.9)], {3: 1.8}),
        ([("T", "P000", 3, None, 1.8), (None, "P777", 3, None, 1.8)], {3: None}),
        ([(None, "P000", -90, None, 1.8)], {1: None}),  # never carried out
        ([(None, "P000", -5, None, 1.8)], {1: 1.8}),  # still may be
        ([(None, "P000", 40, None, 1.8)], {28: None}),
        ([(None, "P000", 3, None, 2.0)], {3: None}),
    ],
)
def test_which_price_is_expected(rows, prices):
    expected = newest(made(shop(), plan(*rows)), "planned_price")
    found = {day: None if np.isnan(expected[day - 1]) else expected[day - 1] for day in prices}
    assert found == prices


def test_a_temporary_price_that_runs_ends_at_the_price_before():
    price = np.full((3, DAYS), 2.0)
    price[0, -5:] = 1.6
    result = made(shop(price), plan((None, "P000", -4, 5, 1.6)))
    assert list(newest(result, "planned_price")[[0, 4, 5, 27]])[2:] == [2.0, 2.0]
    assert np.isnan(newest(result, "planned_price")[:5]).all()


def test_a_price_carried_out_lately_counts_as_far_as_the_level_has_not_learned_it():
    rng = np.random.default_rng(3)
    price, units = np.full((3, DAYS), 2.0), rng.poisson(LEVEL, (3, DAYS))
    price[0, -4:] = 1.6
    units[0, -4:] = rng.poisson(LEVEL * 0.8**-2, 4)
    told = newest(made(shop(price, units), plan((None, "P000", -3, None, 1.6)))).mean()
    untold = newest(made(shop(price, units), plan())).mean()
    truth = LEVEL * 0.8**-2
    assert untold < 0.85 * truth
    assert told == pytest.approx(truth, rel=0.08)


def test_no_cut_of_a_promotion_counts_twice():
    """A promotion of 20 % off sells three times as much; the price in the plan is that of the promotion."""
    price, units = np.full((3, DAYS), 2.0), np.full((3, DAYS), LEVEL)
    weeks = [(-150, -144), (-100, -94), (-50, -44)]
    for first, last in weeks:
        price[0, DAYS - 1 + first : DAYS + last] = 1.6
        units[0, DAYS - 1 + first : DAYS + last] = 3 * LEVEL
    rows = promoted(*(("P000", *week) for week in weeks), ("P000", 8, 14))
    demand, inside = shop(price, units), slice(7, 14)
    alone = newest(made(demand, plan(), promotions=rows))[inside]
    assert alone.mean() > 2.0 * LEVEL
    usual = newest(made(demand, plan((None, "P000", 8, 14, 1.6)), promotions=rows))[inside]
    deeper = newest(made(demand, plan((None, "P000", 8, 14, 1.4)), promotions=rows))[inside]
    lasting = newest(made(demand, plan((None, "P000", 1, None, 1.9)), promotions=rows))[inside]
    np.testing.assert_allclose(usual, alone, rtol=0.15)
    np.testing.assert_allclose(deeper / usual, (1.4 / 1.6) ** -2.0, rtol=1e-6)
    np.testing.assert_allclose(lasting / alone, (1.9 / 2.0) ** -2.0, rtol=1e-6)


def test_the_last_decision_on_a_product_is_its_plan():
    def decision(hour, product, word, price):
        return {
            "decided_at": datetime(2026, 7, 1, hour, tzinfo=UTC), "store": "S", "product": product, "made_on": LAST,
            "decision": word, "price": None if price is None else Decimal(price),
        }  # fmt: skip

    schema = ADVICE_DECISIONS.arrow_schema()
    rows = [
        decision(9, "P000", "change", "1.70"), decision(8, "P000", "accept", "1.90"),
        decision(8, "P001", "accept", "3"), decision(9, "P001", "decline", None),
        decision(8, "P002", "accept", "2.10"),
    ]  # fmt: skip
    decisions = pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)
    found = with_decisions(plan(("S", "P009", 1, None, 1)), decisions).to_pylist()
    assert [(row["product"], row["first_day"], row["last_day"], float(row["price"])) for row in found] == [
        ("P009", ahead(1), None, 1.0),
        ("P000", date(2026, 7, 1), None, 1.7),
        ("P002", date(2026, 7, 1), None, 2.1),
    ]


def test_the_true_effect_of_a_cut_of_a_tenth_lies_in_the_interval_of_what_is_said():
    truth = world(stores=4, products=30, per_day=6.0, seed=11)
    window = {"last_day": LAST, "history_days": truth.days}
    parts = [
        price_evidence(demand, truth.promotions, NO_STOCK_OUTS, store=f"S{store}", **window)
        for store, demand in enumerate(truth.demand)
    ]
    response = price_response(parts[0], price_priors(pa.concat_tables(parts)))
    now = {row["product"]: row["current_price"] for row in parts[0].to_pylist()}
    cut = plan(*((None, product, 15, None, round(0.9 * price, 4)) for product, price in now.items()))
    known = {"store": "S0", "made_on": LAST, "history_days": truth.days, "response": response}
    empty = CALENDAR.arrow_schema().empty_table()
    with_plan, without = (
        forecast_store(truth.demand[0], truth.promotions, empty, plan=each, **known) for each in (cut, plan())
    )
    inside, said, true = [], [], []
    for row in response.to_pylist():
        product = int(row["product"][1:])
        lifts = newest(with_plan, product=row["product"]) / newest(without, product=row["product"])
        before, after = np.log(lifts[:14].mean()), np.log(lifts[14:].mean())
        change = np.log(0.9)
        inside.append(abs((after - before) / change - truth.elasticity[0, product]) < 1.96 * row["std_error"])
        said.append(after - before)
        true.append(truth.elasticity[0, product] * change)
    assert np.mean(inside) >= 0.85
    assert np.mean(said) == pytest.approx(np.mean(true), rel=0.15)


def test_advice_waits_for_a_planned_price():
    forecast = made(shop(), plan((None, "P000", 8, None, 1.8))).sales_forecast
    forecast = forecast.filter(pc.equal(forecast["made_on"], pa.scalar(LAST)))
    count = 3
    rows = recommend(
        evidence=evidence_rows(current_price=[2.0] * count),
        response=response_rows(elasticity=[-2.0] * count),
        forecast=forecast,
        listed=listed_rows(),
        latest=latest_rows([1.2] * count),
        guardrails=GUARDRAILS,
        store="S",
        made_on=LAST,
    ).to_pylist()
    assert (rows[0]["status"], rows[0]["recommended_price"]) == ("hold", 2.0)
    assert rows[0]["reason"] == "A price of 1.80 is planned in 8 days; advice follows once it counts."
    assert rows[0]["expected_units"] == pytest.approx(LEVEL * (7 + 21 * 0.9**-2))
    assert rows[1]["status"] == "recommend"
