"""Stores whose price elasticities are known, for the price tests.

Belongs here: the simulated sales, frames in the shape of the transforms' inputs, the advice for one product. Does not
belong here: any test.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from emma_platform.model.estimates import PRICE_EVIDENCE, PRICE_RECOMMENDATIONS, PRICE_RESPONSE, PROBABLE_STOCK_OUTS
from emma_platform.model.tables import PRODUCTS, PROMOTIONS
from emma_platform.transforms.price_ladder import Guardrails
from emma_platform.transforms.price_recommendations import recommend

LAST = date(2026, 6, 30)
GUARDRAILS = Guardrails(5.0, 10.0, tuple(tenth / 10 + 0.09 for tenth in range(10)))
COOLING = replace(GUARDRAILS, cool_down_days=14)
NO_PROMOTIONS = PROMOTIONS.arrow_schema().empty_table()
NO_STOCK_OUTS = PROBABLE_STOCK_OUTS.arrow_schema().empty_table()

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Sales of stores and what made them; arrays are (stores, products) or (stores, products, days)."""

    demand: list[pa.Table]
    promotions: pa.Table
    elasticity: Floats
    base: Floats
    price: Floats
    regular: Floats
    cost: Floats
    days: int


def world(*, stores: int = 5, products: int = 40, days: int = 365, per_day: float = 2.0, seed: int = 0) -> World:
    """Daily Poisson sales with regular prices that move, promotions with a lift, weekdays and a season per category."""
    rng = np.random.default_rng(seed)
    category = np.arange(products) % 4
    centre = rng.normal(-2.2, 0.5, 4)[category] + rng.normal(0, 0.5, products)
    elasticity = np.minimum(centre + rng.normal(0, 0.4, (stores, products)), -0.3)
    base = per_day * np.exp(rng.normal(0, 0.5, (stores, products)))
    regular = np.round(np.exp(rng.normal(1.2, 0.6, products)) + 0.6) - 0.01
    cost = np.minimum(np.round(regular * np.exp(rng.normal(-0.6, 0.25, products)), 2), regular * 0.93)
    day = np.arange(days)
    price = np.empty((stores, products, days))
    on_offer = np.zeros((products, days), dtype=bool)
    offers = []
    first = LAST - timedelta(days=days - 1)
    for product in range(products):
        depth = np.zeros(days)
        for start in rng.choice(days // 20, rng.integers(0, 5), replace=False) * 20:
            on_offer[product, start : start + 7] = True
            depth[start : start + 7] = rng.uniform(0.1, 0.3)
            ends = first + timedelta(days=int(start) + 6)
            offers.append((None, f"P{product:03d}", first + timedelta(days=int(start)), ends, "offer"))
        for store in range(stores):
            changes = np.sort(rng.integers(14, days - 7, rng.integers(4, 10)))
            level = np.exp(np.r_[0.0, rng.normal(0, 0.12, len(changes))])[np.searchsorted(changes, day, side="right")]
            shelf = np.maximum(np.round(regular[product] * level, 1) - 0.01, 0.09)
            price[store, product] = np.round(shelf * (1 - depth), 2)
    season = np.exp(0.2 * np.sin(2 * np.pi * day / 365 + rng.uniform(0, 6, 4)[:, None]))[category]
    mean = base[:, :, None] * np.exp(0.25 * np.sin(2 * np.pi * day / 7)) * season
    mean = mean * (price / regular[:, None]) ** elasticity[:, :, None] * np.exp(0.3 * on_offer)
    sold = rng.poisson(mean)
    names = [f.name for f in PROMOTIONS.arrow_schema()]
    rows = pa.Table.from_pylist([dict(zip(names, o, strict=True)) for o in offers], schema=PROMOTIONS.arrow_schema())
    demand = [sales(sold[store], price[store], category) for store in range(stores)]
    return World(demand, rows, elasticity, base, price, regular, cost, days)


def sales(sold: npt.ArrayLike, price: npt.ArrayLike, category: npt.ArrayLike | None = None) -> pa.Table:
    """Rows of `product_kpis` of one store from units and prices, (products, days) to `LAST`; only days with sales."""
    sold, price = np.asarray(sold), np.asarray(price, dtype=np.float64)
    product, day = np.nonzero(sold > 0)
    days = np.datetime64(LAST - timedelta(days=sold.shape[1] - 1)) + day
    units, paid = sold[product, day].astype(np.float64), np.round(price[product, day], 2)
    names = [None] * len(product) if category is None else [f"C{number}" for number in np.asarray(category)[product]]
    return pa.table(
        {
            "day": pa.array(days.astype("datetime64[D]")),
            "product": pa.array([f"P{number:03d}" for number in product]),
            "category": pa.array(names, pa.string()),
            "units": pa.array(units).cast(pa.decimal128(18, 3)),
            "sold_units": pa.array(units).cast(pa.decimal128(18, 3)),
            "sold_revenue": pa.array(np.round(units * paid, 2)).cast(pa.decimal128(18, 4)),
            "average_price": pa.array(paid),
            "on_hand": pa.nulls(len(product), pa.decimal128(18, 3)),
        }
    )


def empty_shelf(product: str, days: list[date], on_hand: int = 0) -> pa.Table:
    """Rows of `product_kpis` of days on which the product was counted in stock and not sold."""
    zero = pa.array([0] * len(days)).cast(pa.decimal128(24, 4))
    return pa.table(
        {
            "day": pa.array(days, pa.date32()),
            "product": [product] * len(days),
            "category": pa.nulls(len(days), pa.string()),
            "units": zero.cast(pa.decimal128(18, 3)),
            "sold_units": zero.cast(pa.decimal128(18, 3)),
            "sold_revenue": zero.cast(pa.decimal128(18, 4)),
            "average_price": pa.nulls(len(days), pa.float64()),
            "on_hand": pa.array([on_hand] * len(days)).cast(pa.decimal128(24, 3)).cast(pa.decimal128(18, 3)),
        }
    )


def evidence_rows(**columns: list[object]) -> pa.Table:
    """`price_evidence` of one store from the columns that matter; the rest is of no account."""
    count = len(next(iter(columns.values())))
    usual: dict[str, list[object]] = {
        "store": ["S"] * count, "product": [f"P{n:03d}" for n in range(count)], "category": ["C"] * count,
        "current_price": [2.49] * count, "price_since": [None] * count, "still_charged": [1.0] * count,
        "lowest_price_30d": columns.get("current_price", [2.49] * count),
        "own_elasticity": [-2.0] * count, "own_variance": [0.25] * count,
        "observations": [52] * count, "price_points": [5] * count, "own_change": [0.0] * count,
        "own_change_variance": [1.0] * count, "cross_elasticity": [None] * count, "cross_variance": [None] * count,
        "promotion_lift": [1.2] * count,
    }  # fmt: skip
    return pa.table({**usual, **columns}, schema=PRICE_EVIDENCE.arrow_schema())


def response_rows(**columns: list[object]) -> pa.Table:
    """`price_response` of one store from the columns that matter."""
    count = len(next(iter(columns.values())))
    usual: dict[str, list[object]] = {
        "store": ["S"] * count, "product": [f"P{n:03d}" for n in range(count)], "elasticity": [-2.0] * count,
        "std_error": [0.2] * count, "level": ["store-product"] * count, "observations": [52] * count,
        "price_points": [5] * count, "own_weight": [0.8] * count, "cross_elasticity": [None] * count,
        "note": [""] * count,
    }  # fmt: skip
    return pa.table({**usual, **columns}, schema=PRICE_RESPONSE.arrow_schema())


def forecast_rows(units: list[float], *, days: int = 28) -> pa.Table:
    """Rows of `sales_forecast` of products P000, P001, ... with so many units over all days together."""
    return pa.table(
        {
            "product": pa.array([f"P{n:03d}" for n in range(len(units)) for _ in range(days)], pa.string()),
            "day": pa.array([LAST + timedelta(days=ahead + 1) for _ in units for ahead in range(days)], pa.date32()),
            "mean": pa.array(mean := [each / days for each in units for _ in range(days)], pa.float64()),
            "p025": pa.array([max(each - 1.96 * each**0.5, 0.0) for each in mean], pa.float64()),
            "p975": pa.array([each + 1.96 * each**0.5 for each in mean], pa.float64()),
            "planned_price": pa.nulls(len(units) * days, pa.float64()),
        }
    )


def latest_rows(
    cost: list[float | None], cover: list[float | None] | None = None, stock: list[float | None] | None = None
) -> pa.Table:
    """Rows of `product_kpis` on the last day, of products P000, P001, ..."""
    return pa.table(
        {
            "product": pa.array([f"P{n:03d}" for n in range(len(cost))], pa.string()),
            "unit_cost": pa.array(cost, pa.float64()),
            "on_hand": pa.array(stock or [None] * len(cost), pa.float64()),
            "days_of_cover": pa.array(cover or [None] * len(cost), pa.float64()),
        }
    )


def listed_rows(**columns: list[object]) -> pa.Table:
    """Rows of `products` P000, P001, ... with the columns by which they are priced together."""
    count = len(next(iter(columns.values()), []))
    names: list[object] = [f"P{n:03d}" for n in range(count)]
    usual: dict[str, list[object]] = {name: [None] * count for name in PRODUCTS.names}
    sizes = pa.array(columns.pop("pack_size", [None] * count), pa.float64()).cast(pa.decimal128(18, 3))
    return pa.table({**usual, "product": names, **columns, "pack_size": sizes}, schema=PRODUCTS.arrow_schema())


def advise(
    *,
    price: float | None = 2.49,
    cost: float | None = 1.2,
    units: float | None = 100.0,
    elasticity: float = -1.3,
    error: float = 0.1,
    points: int = 5,
    own_weight: float = 0.8,
    cover: float | None = None,
    stock: float | None = None,
    since: date | None = None,
    lowest: float | None = None,
    charged: float = 1.0,
    guardrails: Guardrails = GUARDRAILS,
) -> dict[str, Any]:
    """The advice for one product."""
    table = recommend(
        evidence=evidence_rows(
            current_price=[price],
            price_points=[points],
            price_since=[since],
            lowest_price_30d=[lowest or price],
            still_charged=[charged],
        ),
        response=response_rows(elasticity=[elasticity], std_error=[error], own_weight=[own_weight]),
        forecast=forecast_rows([] if units is None else [units]),
        latest=latest_rows([cost], [cover], [stock]),
        listed=listed_rows(),
        guardrails=guardrails,
        store="S",
        made_on=LAST,
    )
    assert table.schema == PRICE_RECOMMENDATIONS.arrow_schema()
    return table.to_pylist()[0]
