"""A platform that knows the truth: the tables it would make of the demo chain."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
from scipy.stats import nbinom

from emma_platform.demo.account import Injected
from emma_platform.demo.chain import Chain
from emma_platform.demo.faults import DUPLICATES, FAULTS
from emma_platform.demo.landing import sent_until
from emma_platform.demo.oracle import DAYS, Guardrails, best_price
from emma_platform.settings import Settings

QUANTILES = {"p025": 0.025, "p10": 0.1, "p50": 0.5, "p90": 0.9, "p975": 0.975}


def perfect(chain: Chain, injected: Injected) -> dict[str, pa.Table]:
    """The tables, with the columns that a scorecard and a picture read."""
    forecast = _forecast(chain)
    return {
        "clean_sales": _clean(chain, injected),
        "product_kpis": _kpis(injected),
        "sales_forecast": forecast,
        "forecast_scores": _scores(chain, forecast),
        "price_response": _response(chain),
        "price_recommendations": _advice(chain),
    }


def status(injected: Injected) -> dict[str, int]:
    return {
        "in": injected.lines_in,
        "clean": injected.clean,
        "set_aside": injected.set_aside,
        "duplicates": injected.duplicates,
    }


def reasons(injected: Injected) -> dict[str, int]:
    return {reason: count for reason, count in injected.expected.items() if reason != DUPLICATES}


def _clean(chain: Chain, injected: Injected) -> pa.Table:
    sent = sent_until(chain, injected.until)
    lines = sent.take(sent.accepted())
    unknown = next(index for index, fault in enumerate(FAULTS) if fault.name == "unknown product")
    money = [Decimal(value) / 100 for value in (lines.quantity * lines.cents).tolist()]
    return pa.table({
        "revenue": pa.array(money, pa.decimal128(18, 4)),
        "is_return": pa.array(lines.is_return()),
        "is_known_product": pa.array(lines.fault != unknown),
    })  # fmt: skip


def _kpis(injected: Injected) -> pa.Table:
    keys, amounts = list(injected.accepted), list(injected.accepted.values())
    return pa.table({
        "store": [key.store for key in keys],
        "day": pa.array([key.day for key in keys], pa.date32()),
        "revenue": pa.array([Decimal(a.cents) / 100 for a in amounts], pa.decimal128(18, 4)),
        "units": pa.array([Decimal(a.units) for a in amounts], pa.decimal128(18, 3)),
    })  # fmt: skip


def _forecast(chain: Chain) -> pa.Table:
    s, p, h = (axis.ravel() for axis in np.indices((len(chain.stores), len(chain.products), DAYS)))
    mean = chain.expected[s, p, chain.days + h]
    size = chain.dispersion[p]
    bounds = {name: nbinom.ppf(q, size, size / (size + mean)) for name, q in QUANTILES.items()}
    return pa.table({
        **_keys(chain, s, p),
        "made_on": pa.array([chain.last_day] * len(s), pa.date32()),
        "day": pa.array((np.datetime64(chain.last_day) + 1 + h).astype("datetime64[D]")),
        "horizon_days": pa.array(h + 1, pa.int64()),
        "mean": mean,
        **bounds,
    })  # fmt: skip


def _scores(chain: Chain, forecast: pa.Table) -> pa.Table:
    actual = chain.demand[:, :, chain.days : chain.days + DAYS].ravel()
    scored = chain.expected[:, :, chain.days : chain.days + DAYS].ravel() > 0
    inside = {
        name: int(((actual >= forecast[low].to_numpy()) & (actual <= forecast[high].to_numpy()))[scored].sum())
        for name, low, high in (("inside_80", "p10", "p90"), ("inside_95", "p025", "p975"))
    }
    return pa.table({"days": [int(scored.sum())], **{name: [count] for name, count in inside.items()}})


def _response(chain: Chain) -> pa.Table:
    s, p = (axis.ravel() for axis in np.indices(chain.elasticity.shape))
    return pa.table({
        **_keys(chain, s, p),
        "elasticity": chain.elasticity[s, p],
        "std_error": np.full(len(s), 0.1),
        "own_weight": np.ones(len(s)),
    })  # fmt: skip


def _advice(chain: Chain) -> pa.Table:
    rules = Guardrails.of(Settings.model_construct())
    rows = []
    for s, store in enumerate(chain.stores):
        for p, product in enumerate(chain.products):
            best = best_price(chain, store.code, product.code, chain.day(chain.days), rules)
            told = product.cost_known and chain.price_moved[s, p] and best.uplift > 0
            rows.append({
                "store": store.code,
                "product": product.code,
                "made_on": chain.last_day,
                "current_price": best.current_price,
                "recommended_price": best.price if told else best.current_price,
                "status": "recommend" if told else "hold",
                "expected_profit_uplift_p50": best.uplift if told else 0.0,
            })  # fmt: skip
    return pa.Table.from_pylist(rows)


def _keys(chain: Chain, s: np.ndarray, p: np.ndarray) -> dict[str, pa.Array]:
    return {
        "store": pa.array([chain.stores[i].code for i in s]),
        "product": pa.array([chain.products[i].code for i in p]),
    }
