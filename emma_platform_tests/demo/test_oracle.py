from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emma_platform.demo.oracle import Guardrails, best_price, candidate_prices, true_profit
from emma_platform.settings import Settings

NINES = tuple(range(9, 100, 10))


def brute_force(chain, store, product, first_day, rules):
    """Every price of every cent, in decimals, judged rule by rule."""
    s, p = chain.store_index[store], chain.product_index[product]
    now = int(chain.regular[s, p, (first_day - chain.first_day).days - 1])
    cost = chain.products[p].cost_cents
    best = (float("-inf"), None)
    for cents in range(1, 3 * now):
        step = abs(Decimal(cents) / now - 1) * 100
        margin = Decimal(cents - cost) / cents * 100
        fits = step <= Decimal(str(rules.largest_step_pct)) and margin >= Decimal(str(rules.minimum_margin_pct))
        if cents == now or (fits and cents % 100 in rules.endings):
            units = sum(
                chain.factor[s, p, (first_day - chain.first_day).days + day]
                * (cents / chain.products[p].list_cents) ** chain.elasticity[s, p]
                for day in range(28)
            )
            best = max(best, ((cents - cost) / 100 * units, -cents))
    return -best[1] / 100, best[0]


@given(
    st.integers(0, 4), st.integers(0, 59), st.sampled_from([0.0, 5.0, 30.0]), st.sampled_from([3.0, 10.0, 25.0]),
    st.sampled_from([NINES, (99,), (0, 50), tuple(range(100))]), st.integers(28, 420),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_the_oracle_equals_brute_force(default_chain, s, p, margin, step, endings, day):
    chain, rules = default_chain, Guardrails(margin, step, endings)
    store, product, first = chain.stores[s].code, chain.products[p].code, chain.day(day)
    found = best_price(chain, store, product, first, rules)
    price, profit = brute_force(chain, store, product, first, rules)
    assert found.profit == pytest.approx(profit, rel=1e-9, abs=1e-9)
    if profit:
        assert found.price == pytest.approx(price)
    assert found.uplift >= -1e-9
    assert found.uplift == pytest.approx(
        found.profit - true_profit(chain, store, product, found.current_price, first), abs=1e-9
    )


def test_guardrails_are_those_of_the_settings():
    rules = Guardrails.of(
        Settings.model_construct(
            minimum_margin_pct=7.0, largest_step_pct=4.0, price_endings="0.49,0.99", price_cool_down_days=9
        )
    )
    assert rules == Guardrails(7.0, 4.0, (49, 99), 9)
    assert Guardrails.of(Settings.model_construct()).endings == NINES


def test_a_price_younger_than_the_cool_down_stays(default_chain):
    chain, first = default_chain, default_chain.last_day + timedelta(days=1)
    free, cooled = Guardrails(5.0, 10.0, NINES), Guardrails(5.0, 10.0, NINES, 60)
    regular, paid = chain.regular[:, :, : chain.days], chain.paid[:, :, : chain.days]
    other = (regular != regular[:, :, -1:]) & (paid == regular)
    charged = paid == regular[:, :, -1:]
    newest = np.where(other.any(axis=2), chain.days - 1 - other[:, :, ::-1].argmax(axis=2), -1)
    after = np.arange(chain.days) > newest[:, :, None]
    stayed = (charged & after)[:, :, : chain.days - 60].any(axis=2) | ~other.any(axis=2)
    assert stayed.any()
    assert not stayed.all()
    for s, store in enumerate(chain.stores):
        for p, product in enumerate(chain.products):
            best = best_price(chain, store.code, product.code, first, cooled)
            if stayed[s, p]:
                assert best == best_price(chain, store.code, product.code, first, free)
            else:
                assert best.price == best.current_price
                assert best.uplift == pytest.approx(0.0, abs=1e-9)


def test_candidates_keep_the_rules_and_the_current_price():
    rules = Guardrails(5.0, 10.0, NINES)
    assert candidate_prices(2.00, 1.0, rules).tolist() == [1.89, 1.99, 2.0, 2.09, 2.19]
    assert candidate_prices(1.00, 0.99, rules).tolist() == [1.0, 1.09]
    assert candidate_prices(10.0, 9.0, Guardrails(5.0, 10.0, (0, 99))).tolist() == [9.99, 10.0, 10.99, 11.0]
