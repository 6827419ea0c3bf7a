"""Q4: price advice where the truth is known, against the textbook rule of constant elasticity.

Belongs here: what is compared, and the rival's rule. Does not belong here: the chain, its truth and the score
(`emma_platform.demo`).
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.home import settings_of
from benchmarks.measure import Bench, Side, in_turns
from benchmarks.report import Row

if TYPE_CHECKING:
    import pyarrow as pa

    from emma_platform.demo.chain import Chain

SHAPES = {"tiny": (2, 8, 60), "small": (5, 60, 420), "full": (5, 60, 420)}
SEEDS = {"tiny": (11,), "small": (11, 12, 13, 14), "full": tuple(range(11, 19))}
LAST_DAY = date(2026, 11, 22)
MOST_HARMFUL, LEAST_CAPTURED = 0.05, 0.75
WEEK, FEWEST_WEEKS, SAME_PRICE = 7, 3, 1e-6
NOTE = (
    "Demo chains through the whole platform, their files' faults included. Harmful: a recommended price that earns "
    "less than the current one over the next 28 days at the true demand. Captured: the gain of all recommended prices "
    "over that of the best prices within the same guardrails (10 % step, endings, 5 % margin, cool-down, which runs "
    "from the first day on which a price is charged outside promotions). The rival "
    "has the same cleaned sales, costs and current prices: for each store and product an ordinary regression of log "
    "weekly units on log mean price, from its elasticity e the price cost * e / (1 + e), or the highest allowed where "
    "demand is inelastic, as the nearest price that the same step, margin and endings allow. Changing a price costs "
    "neither the best prices nor the rival anything; the platform leaves gains below its cost. Chains are the same in "
    "each repeat: the figures are sums over the chains, not medians. The platform's rules were chosen on other chains."
)


def run(bench: Bench) -> list[Row]:
    """The share that harms, the share of the best gain, and recommendations without evidence."""
    stores, products, days = SHAPES[bench.size]
    ours: list[Side] = []
    theirs: list[Side] = []
    for seed in SEEDS[bench.size]:
        home = str(bench.work / f"chain-{seed}")
        chain = {"stores": stores, "products": products, "days": days, "seed": seed}
        mine, rule = in_turns(
            lambda _, home=home, chain=chain: bench.call("q4_advice:ours", home=home, **chain),
            lambda _, home=home, chain=chain: bench.call("q4_advice:textbook", home=home, **chain),
            repeat=1,
        )
        ours += mine
        theirs += rule
    of = f"{len(ours)} chains of {stores} stores x {products} products x {days} days"
    harmful, captured = _harmful(ours), _captured(ours)
    blind = sum(side.result["unmoved"] for side in ours)
    return [
        Row(f"Q4 advice that harms, {of}", _share(ours), _share(theirs) + " (textbook rule)",
            _ratio(harmful, _harmful(theirs)), f"<= {MOST_HARMFUL:.0%}", harmful <= MOST_HARMFUL, ours, theirs),
        Row("Q4 share of the best gain captured", f"{captured:.1%} ({_each(ours)})",
            f"{_captured(theirs):.1%} ({_each(theirs)}; textbook rule)", _ratio(captured, _captured(theirs)),
            f">= {LEAST_CAPTURED:.0%}", captured >= LEAST_CAPTURED, ours, theirs),
        Row("Q4 recommended where the price never moved", str(blind),
            str(sum(side.result["unmoved"] for side in theirs)), "-", "0", blind == 0, ours, theirs),
    ]  # fmt: skip


def _harmful(sides: list[Side]) -> float:
    return sum(side.result["harmful"] for side in sides) / max(sum(side.result["recommended"] for side in sides), 1)


def _captured(sides: list[Side]) -> float:
    best = sum(side.result["best"] for side in sides)
    return sum(side.result["gain"] for side in sides) / best if best > 0 else 0.0


def _share(sides: list[Side]) -> str:
    each = ", ".join(f"{_harmful([side]):.1%}" for side in sides)
    return f"{_harmful(sides):.1%} of {sum(side.result['recommended'] for side in sides)} ({each})"


def _each(sides: list[Side]) -> str:
    return ", ".join(f"{_captured([side]):.1%}" for side in sides)


def _ratio(ours: float, theirs: float) -> str:
    return f"{ours / theirs:.2f}x" if theirs else "-"


def ours(home: str, stores: int, products: int, days: int, seed: int) -> dict[str, Any]:
    """A chain through the platform, and the score of the advice that is published."""
    from emma_platform.demo.chain import make_chain
    from emma_platform.demo.landing import write_landing, write_sources_yaml
    from emma_platform.model.access import EVERY_STORE
    from emma_platform.pipeline.run import run_update
    from emma_platform.serving.reader import Reader

    settings = settings_of(home)
    chain = make_chain(stores=stores, products=products, days=days, last_day=LAST_DAY, seed=seed)
    settings.landing.mkdir(parents=True, exist_ok=True)
    write_sources_yaml(Path(home))
    write_landing(chain, settings.landing)
    run_update(settings)
    return _scored(chain, Reader(settings.published).table(EVERY_STORE, "price_recommendations"), home)


def textbook(home: str, stores: int, products: int, days: int, seed: int) -> dict[str, Any]:
    """The score of the textbook rule on the same chain, from the key figures that are published."""
    from emma_platform.demo.chain import make_chain
    from emma_platform.model.access import EVERY_STORE
    from emma_platform.serving.reader import Reader

    reader = Reader(settings_of(home).published)
    chain = make_chain(stores=stores, products=products, days=days, last_day=LAST_DAY, seed=seed)
    advice = textbook_advice(
        reader.table(EVERY_STORE, "product_kpis"), reader.table(EVERY_STORE, "price_recommendations"), home
    )
    return _scored(chain, advice, home)


def _scored(chain: Chain, advice: pa.Table, home: str) -> dict[str, Any]:
    from emma_platform.demo.oracle import Guardrails
    from emma_platform.demo.score_prices import advice_score

    return asdict(advice_score(chain, advice, Guardrails.of(settings_of(home))))


def textbook_advice(figures: pa.Table, known: pa.Table, home: str) -> pa.Table:
    """Price advice by the rule of constant elasticity, one regression a store and product.

    Args:
        figures: `product_kpis`.
        known: which products there are at which current price, and when: `price_recommendations`.
        home: whose guardrails hold.
    """
    import pyarrow as pa

    from emma_platform.demo.oracle import Guardrails, candidate_prices

    rules = Guardrails.of(settings_of(home))
    sold = figures.select(["store", "product", "day", "sold_units", "sold_revenue", "unit_cost"]).to_pandas()
    sold = sold.astype({"sold_units": float, "sold_revenue": float, "unit_cost": float})
    sold["week"] = (np.array(sold["day"], "datetime64[D]").astype(np.int64) + 3) // WEEK
    costs = sold.sort_values("day").groupby(["store", "product"])["unit_cost"].last()
    weekly = sold.groupby(["store", "product", "week"])[["sold_units", "sold_revenue"]].sum()
    weekly = weekly[(weekly["sold_units"] > 0) & (weekly["sold_revenue"] > 0)]
    series = dict(list(weekly.groupby(["store", "product"])))
    rows = known.select(["store", "product", "made_on", "current_price"]).to_pylist()
    for row in rows:
        key, current = (row["store"], row["product"]), row["current_price"]
        row["status"], row["recommended_price"] = "hold", current
        cost = costs.get(key, np.nan)
        if key not in series or not current or not cost >= 0:
            continue
        units, price = series[key]["sold_units"], series[key]["sold_revenue"] / series[key]["sold_units"]
        if len(units) < FEWEST_WEEKS or not np.ptp(np.log(price)) > SAME_PRICE:
            continue
        slope = float(np.polyfit(np.log(price), np.log(units), 1)[0])
        aim = cost * slope / (1.0 + slope) if slope < -1.0 else np.inf
        allowed = candidate_prices(current, float(cost), rules)
        row["recommended_price"] = float(allowed[np.argmin(np.abs(allowed - min(aim, allowed.max())))])
        row["status"] = "recommend" if row["recommended_price"] != current else "hold"
    return pa.Table.from_pylist(rows)
