"""Elasticities and price advice against the truth.

Belongs here: the measures of `price_response` and `price_recommendations`. Does not belong here: the best price itself
(`oracle`) and goals (`goals`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.demo.chain import Chain
from emma_platform.demo.goals import Goals, Row
from emma_platform.demo.oracle import Guardrails, best_price, true_profit
from emma_platform.demo.score_forecast import last_known_days, positions
from emma_platform.demo.world import Ints

_FEWEST = 3


def elasticity_rows(chain: Chain, response: pa.Table, goals: Goals) -> list[Row]:
    """Correlation and mean absolute error of elasticities with evidence: the price moved, and sales show it."""
    store, product = _places(chain, response)
    found, weight = response["elasticity"].to_numpy(), response["own_weight"].to_numpy()
    known = (store >= 0) & (product >= 0)
    given = np.zeros(chain.price_moved.shape, dtype=bool)
    given[store[known], product[known]] = True
    moved = np.zeros(len(found), dtype=bool)
    moved[known] = chain.price_moved[store[known], product[known]]
    used = moved & (weight > 0)
    correlation = error = np.nan
    if used.sum() >= _FEWEST:
        truth = chain.elasticity[store[used], product[used]]
        error = float(np.abs(found[used] - truth).mean())
        if found[used].std() > 0 and truth.std() > 0:
            correlation = float(np.corrcoef(found[used], truth)[0, 1])
    of = f" ({int(used.sum())})"
    return [
        Row.exact(
            "elasticities of store-products whose price moved",
            int(chain.price_moved.sum()),
            int((given & chain.price_moved).sum()),
        ),
        Row.at_least(
            "elasticities: correlation with the truth", goals.correlation, correlation, text=f"{correlation:.3f}{of}"
        ),
        Row.at_most("elasticities: mean absolute error", goals.elasticity_error, error, text=f"{error:.3f}{of}"),
    ]


@dataclass(frozen=True, slots=True)
class AdviceScore:
    """What the recommendations of the newest advice do at the true demand of the next 28 days.

    Attributes:
        recommended, harmful: how many there are, and how many of them earn less than the current price.
        gain: of all recommended prices over the current ones; best: the oracle's on every store-product that can be
            advised on: its cost is known, its price has moved, and it is still on sale; the oracle keeps to the same
            guardrails. Money of several currencies is added as it is.
        unmoved, costless: recommendations for a price that never moved, and without a known cost.
    """

    recommended: int
    harmful: int
    gain: float
    best: float
    unmoved: int
    costless: int

    @property
    def harmful_share(self) -> float:
        """Share of the recommendations; zero without any."""
        return self.harmful / max(self.recommended, 1)

    @property
    def captured(self) -> float:
        """Share of the oracle's gain; not a number where there is none."""
        return self.gain / self.best if self.best > 0 else np.nan


def advice_score(chain: Chain, advice: pa.Table, rules: Guardrails) -> AdviceScore:
    """The score of advice with the columns store, product, made_on, status and recommended_price."""
    made_on = last_known_days(chain, advice)
    tomorrow = {store: day + timedelta(days=1) for store, day in made_on.items()}
    gains, unmoved, costless = [], 0, 0
    asked = advice.filter(pc.field("status") == "recommend")
    columns = (asked[name].to_pylist() for name in ("store", "product", "made_on", "recommended_price"))
    for store, product, day, price in zip(*columns, strict=True):
        if product not in chain.product_index or day != made_on.get(store):
            continue
        s, p = chain.store_index[store], chain.product_index[product]
        unmoved += not chain.price_moved[s, p]
        costless += not chain.products[p].cost_known
        now = float(chain.regular[s, p, (day - chain.first_day).days]) / 100
        at = tomorrow[store]
        gains.append(true_profit(chain, store, product, price, at) - true_profit(chain, store, product, now, at))
    best = sum(
        best_price(chain, store.code, product.code, tomorrow[store.code], rules).uplift
        for s, store in enumerate(chain.stores)
        for p, product in enumerate(chain.products)
        if store.code in tomorrow and product.cost_known and chain.price_moved[s, p]
    )
    return AdviceScore(len(gains), sum(gain < 0 for gain in gains), sum(gains), best, unmoved, costless)


def price_rows(chain: Chain, advice: pa.Table, rules: Guardrails, goals: Goals) -> list[Row]:
    """How the newest advice does at the true demand of the next 28 days (`AdviceScore`)."""
    score = advice_score(chain, advice, rules)
    return [
        Row.at_most(
            "prices: share of recommendations that harm", goals.harmful, score.harmful_share,
            text=f"{score.harmful_share:.3f} ({score.harmful} of {score.recommended})",
        ),
        Row.at_least(
            "prices: share of the oracle's gain captured", goals.captured, score.captured,
            text=f"{score.captured:.3f} ({score.gain:,.0f} of {score.best:,.0f})",
        ),
        Row.exact("prices: recommended where the price never moved", 0, score.unmoved),
        Row.exact("prices: recommended where the cost is not known", 0, score.costless),
    ]  # fmt: skip


def _places(chain: Chain, table: pa.Table) -> tuple[Ints, Ints]:
    """Positions of each row's store and product, -1 where the chain has none."""
    return positions(table["store"], chain.store_index), positions(table["product"], chain.product_index)
