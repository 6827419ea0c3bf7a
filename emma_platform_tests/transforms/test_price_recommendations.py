"""Price advice: the right status, words with numbers, a table whatever comes in, and harm to few."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from emma_platform.model.estimates import PRICE_EVIDENCE, PRICE_RECOMMENDATIONS, PRICE_RESPONSE
from emma_platform.transforms.price_evidence import price_evidence
from emma_platform.transforms.price_ladder import Guardrails
from emma_platform.transforms.price_priors import price_priors
from emma_platform.transforms.price_recommendations import recommend
from emma_platform.transforms.price_response import price_response
from emma_platform_tests.transforms.price_world import (
    COOLING,
    GUARDRAILS,
    LAST,
    NO_STOCK_OUTS,
    advise,
    evidence_rows,
    forecast_rows,
    latest_rows,
    listed_rows,
    response_rows,
    world,
)


def test_a_raise_a_cut_and_the_words():
    up = advise(units=1000.0, elasticity=-1.3, error=0.1)
    assert (up["status"], up["recommended_price"]) == ("recommend", 2.69)
    assert up["binding_constraint"] == "largest_step"
    assert up["reason"].startswith("Raise from 2.49 to 2.69: about ")
    assert "more profit over 28 days, 99 % likely; sales fall by about 10 %." in up["reason"]
    down = advise(units=1000.0, elasticity=-4.0, error=0.3)
    assert (down["status"], down["recommended_price"]) == ("recommend", 2.29)
    assert down["reason"].startswith("Lower from 2.49 to 2.29: about ")
    assert "sales rise by about 40 %." in down["reason"]


def test_a_price_that_just_changed_is_left_alone_until_the_cool_down_is_over():
    days = COOLING.cool_down_days
    young = advise(units=1000.0, since=LAST - timedelta(days=days - 1), guardrails=COOLING)
    assert (young["status"], young["recommended_price"], young["binding_constraint"]) == ("hold", 2.49, "cool_down")
    assert "wait 1 more day to see what it did to sales" in young["reason"]
    old = advise(units=1000.0, since=LAST - timedelta(days=days), guardrails=COOLING)
    assert (old["status"], old["cool_down_cost"]) == ("recommend", 0.0)
    assert young["cool_down_cost"] * 4 == pytest.approx(young["constraint_cost"])
    never = advise(units=1000.0, points=1, own_weight=0.0, since=LAST, guardrails=COOLING)
    assert never["cool_down_cost"] is None


def test_the_stock_is_held_against_the_forecast_and_not_against_the_past():
    cut = {"units": 280.0, "elasticity": -4.0, "error": 0.3}
    short = advise(**cut, stock=42.0, cover=40.0)
    assert (short["status"], short["binding_constraint"]) == ("hold", "short_stock")
    assert "the stock lasts only about 4 days" in short["reason"]
    assert advise(**cut, stock=70.0, cover=1.0)["status"] == "recommend"
    assert advise(**cut, stock=-3.0)["short_stock_cost"] > 0


def test_a_reduction_is_announced_from_the_lowest_price_of_thirty_days():
    cut = {"units": 1000.0, "elasticity": -4.0, "error": 0.3}
    row = advise(**cut, lowest=2.39)
    assert (row["recommended_price"], row["lowest_price_30d"]) == (2.29, 2.39)
    assert row["announced_reduction_pct"] == pytest.approx(100 * (1 - 2.29 / 2.39))
    assert "may be announced as 4 % off 2.39, the lowest price of the last 30 days." in row["reason"]
    silent = advise(**cut, lowest=2.29)
    assert silent["announced_reduction_pct"] == 0.0
    assert "Do not announce it as a reduction: it is not below 2.29" in silent["reason"]
    assert advise(units=1000.0, lowest=2.0)["announced_reduction_pct"] is None


def test_inelastic_demand_is_marked_as_low_confidence():
    assert "Low confidence" in advise(elasticity=-0.5)["reason"]
    assert "Low confidence" not in advise(elasticity=-1.3)["reason"]


UNSURE = {"elasticity": -1.4, "error": 0.6, "own_weight": 0.2}


@pytest.mark.parametrize(
    ("product", "status", "words"),
    [
        ({"cost": None}, "blocked", "cost is not known"),
        ({"price": None}, "blocked", "was not sold"),
        ({"units": None}, "blocked", "no sales forecast"),
        ({"price": 1.0, "cost": 2.0}, "blocked", "sells below cost (cost 2.00, price 1.00)"),
        ({"units": 0.0}, "hold", "no sales are expected"),
        ({"elasticity": -1.93, "error": 0.05}, "hold", "no other allowed price is expected to earn more"),
        ({"elasticity": -1.6, "error": 0.8}, "hold", "which is not sure enough"),
        ({"price": 1.22}, "hold", "no other price is allowed"),
        ({"elasticity": -4.0, "cover": 4.2}, "hold", "the stock lasts only about 4 days"),
        ({"points": 1, "own_weight": 0.0, "units": 8000.0}, "explore", "its price has never moved"),
        ({"points": 1, "own_weight": 0.0}, "hold", "as similar products sell, 2.69 would earn more"),
        (UNSURE | {"units": 8000.0}, "explore", "say little of how they react"),
        (UNSURE, "hold", "too little is sold here for a test of 12 weeks"),
        ({"elasticity": -1.3, "charged": 0.85}, "hold", "it is still the price with a chance of 85 % only"),
        ({"price": 1.19}, "explore", "its price has never moved"),
    ],
)
def test_every_status_and_its_reason(product, status, words):
    if product.get("price") == 1.22:
        product = product | {"guardrails": Guardrails(5.0, 2.0, (0.99,))}
    if product.get("price") == 1.19:
        product = product | {"points": 1, "own_weight": 0.0}
    row = advise(**product)
    assert row["status"] == status
    assert words in row["reason"]
    assert (row["recommended_price"] is None) == (status == "blocked")
    if status == "hold":
        assert row["recommended_price"] == row["current_price"]
        assert row["expected_profit_uplift_p50"] == 0.0
        assert row["probability_of_gain"] is None
        assert row["expected_units"] == pytest.approx(product.get("units", 100.0))


def test_products_are_advised_one_by_one_whatever_their_order():
    rng = np.random.default_rng(5)
    count = 300
    price, cost = np.round(rng.uniform(0.5, 30, count), 2), np.round(rng.uniform(0.2, 20, count), 2)
    known = {
        "evidence": evidence_rows(current_price=price.tolist()),
        "response": response_rows(elasticity=rng.uniform(-4, -0.1, count).tolist()),
        "forecast": forecast_rows(rng.uniform(1, 90, count).tolist()),
        "latest": latest_rows(cost.tolist()),
    }
    whole = recommend(**known, listed=listed_rows(), guardrails=GUARDRAILS, store="S", made_on=LAST)
    mixed = {name: rows.take(rng.permutation(len(rows))) for name, rows in known.items()}
    assert recommend(**mixed, listed=listed_rows(), guardrails=GUARDRAILS, store="S", made_on=LAST).equals(whole)
    some = known | {"evidence": known["evidence"].slice(120, 30)}
    assert recommend(**some, listed=listed_rows(), guardrails=GUARDRAILS, store="S", made_on=LAST).equals(
        whole.slice(120, 30)
    )


def test_nothing_known_gives_an_empty_table_and_a_lacking_response_an_error():
    known = {"forecast": forecast_rows([]), "latest": latest_rows([]), "listed": listed_rows()}
    known |= {"guardrails": GUARDRAILS, "store": "S"}
    none = PRICE_EVIDENCE.arrow_schema().empty_table(), PRICE_RESPONSE.arrow_schema().empty_table()
    table = recommend(evidence=none[0], response=none[1], made_on=LAST, **known)
    assert table.equals(PRICE_RECOMMENDATIONS.arrow_schema().empty_table())
    with pytest.raises(ValueError, match="lacks products"):
        recommend(evidence=evidence_rows(price_points=[2]), response=none[1], made_on=LAST, **known)


def test_little_harm_and_most_of_the_oracle_on_known_truth():
    advised = harmful = 0
    gained = possible = 0.0
    for seed in (11, 12, 13):
        truth = world(products=60, seed=seed)
        parts = [
            price_evidence(
                demand, truth.promotions, NO_STOCK_OUTS, store=f"S{store}", last_day=LAST, history_days=truth.days
            )
            for store, demand in enumerate(truth.demand)
        ]
        priors = price_priors(pa.concat_tables(parts))
        for store, part in enumerate(parts):
            real, current = truth.elasticity[store], part["current_price"].to_numpy()
            units = 28 * truth.base[store] * (current / truth.regular) ** real
            known = {"price": current, "cost": truth.cost, "units": units, "elasticity": real}
            table = recommend(
                evidence=part, response=price_response(part, priors), forecast=forecast_rows(units.tolist()),
                latest=latest_rows(truth.cost.tolist()), listed=listed_rows(), guardrails=GUARDRAILS,
                store=f"S{store}", made_on=LAST,
            )  # fmt: skip
            sure = np.array([status == "recommend" for status in table["status"].to_pylist()])
            price = np.where(sure, table["recommended_price"].to_numpy(), current)
            gain = units * ((price - truth.cost) * (price / current) ** real - (current - truth.cost))
            advised, harmful, gained = advised + sure.sum(), harmful + (gain < 0).sum(), gained + gain.sum()
            possible += oracle(**known)
    assert harmful <= 0.05 * advised
    assert gained >= 0.75 * possible


def oracle(*, price, cost, units, elasticity):
    """Profit that the best allowed prices would gain if the elasticities were known."""
    table = recommend(
        evidence=evidence_rows(current_price=price.tolist()),
        response=response_rows(elasticity=elasticity.tolist(), std_error=[0.0] * len(price)),
        forecast=forecast_rows(units.tolist()), latest=latest_rows(cost.tolist()), listed=listed_rows(),
        guardrails=GUARDRAILS,
        store="S", made_on=LAST,
    )  # fmt: skip
    return float(sum(gain or 0.0 for gain in table["expected_profit_uplift_p50"].to_pylist()))
