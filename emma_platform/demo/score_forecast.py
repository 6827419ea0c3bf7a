"""Forecasts against the truth: expected demand, and a future that was drawn from it and never told.

Belongs here: the measures of `sales_forecast` and `forecast_scores`. Does not belong here: goals (`goals`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.demo.chain import HORIZON, Chain
from emma_platform.demo.goals import Goals, Row
from emma_platform.demo.oracle import DAYS
from emma_platform.demo.world import Flags, Floats, Ints

_QUANTILES = {"p025": 0.025, "p10": 0.10, "p90": 0.90, "p975": 0.975}


@dataclass(frozen=True, eq=False)
class Window:
    """The next 28 days of every store after its last known day; arrays are store x product x 28.

    Attributes:
        forecast: columns of `sales_forecast` by name, not a number where there is no forecast.
        expected: true expected demand.
        actual: demand as it came true, never cut off by stock.
        naive: sales of the same weekday of the last known week.
        honest: where the naive's sales were not cut off by stock.
    """

    forecast: dict[str, Floats]
    expected: Floats
    actual: Ints
    naive: Ints
    honest: Flags


def forecast_rows(chain: Chain, forecast: pa.Table, scores: pa.Table, goals: Goals) -> list[Row]:
    """The measures of the next 28 days.

    A listed product without a forecast counts as forecast zero. WAPE = sum|f - y| / sum y; skill = 1 - the forecast's
    absolute error over the seasonal naive's, where the naive's own sales were not cut off by an empty shelf.
    """
    window = _window(chain, forecast)
    mean, truth = np.nan_to_num(window.forecast["mean"]), window.expected
    wanted = int((truth > 0).any(axis=2).sum())
    given = int((~np.isnan(window.forecast["mean"]) & (truth > 0)).any(axis=2).sum())
    best, skill = _skill(window, truth), _skill(window, mean)
    rows = [
        Row.exact("forecast: store-products on sale that have one", wanted, given),
        Row.at_most("forecast: WAPE against true expected demand", goals.wape, _wape(mean, truth)),
        Row.at_least(
            "forecast: skill against seasonal naive, simulated future",
            goals.skill * best, skill, note=f" (true mean {best:.3f})",
        ),
    ]  # fmt: skip
    size = np.broadcast_to(chain.dispersion[None, :, None], truth.shape)
    for name, low, high in (("80", "p10", "p90"), ("95", "p025", "p975")):
        found, possible = _coverage(window, size, low, high)
        rows.append(
            Row.near(f"forecast: coverage of {name} % intervals, simulated future", possible, goals.coverage, found)
        )
        days = float(pc.sum(scores["days"]).as_py() or 0)
        said = float(pc.sum(scores[f"inside_{name}"]).as_py() or 0) / days if days else np.nan
        rows.append(
            Row.near(
                f"forecast: coverage of {name} % intervals, as forecast_scores says", found, goals.report_card, said
            )
        )
    return rows


def last_known_days(chain: Chain, table: pa.Table) -> dict[str, date]:
    """The newest `made_on` of each of the chain's stores."""
    latest = table.group_by("store").aggregate([("made_on", "max")])
    pairs = zip(latest["store"].to_pylist(), latest["made_on_max"].to_pylist(), strict=True)
    return {store: made_on for store, made_on in pairs if store in chain.store_index and made_on is not None}


def positions(column: pa.ChunkedArray[Any], index: Mapping[str, int]) -> Ints:
    """The position of each value of an Arrow column, -1 for one that is not in the index."""
    place = pc.index_in(column, pa.array(list(index), pa.string()))
    return np.asarray(place.fill_null(-1).to_numpy(), dtype=np.int64)


def _window(chain: Chain, table: pa.Table) -> Window:
    made_on = last_known_days(chain, table)
    shape = (len(chain.stores), len(chain.products), DAYS)
    forecast = {name: np.full(shape, np.nan) for name in ("mean", *_QUANTILES)}
    expected, actual = np.zeros(shape), np.zeros(shape, dtype=np.int64)
    naive, honest = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=bool)
    for store, index in chain.store_index.items():
        last = (made_on.get(store, chain.last_day) - chain.first_day).days
        if not 6 <= last < chain.days + HORIZON - DAYS:  # noqa: PLR2004
            raise ValueError(f"{store} was forecast on {made_on[store]}, outside of the chain's history")
        future = slice(last + 1, last + 1 + DAYS)
        expected[index], actual[index] = chain.expected[index, :, future], chain.demand[index, :, future]
        week = (last - 6 + np.arange(DAYS) % 7).clip(max=chain.days - 1)
        naive[index], honest[index] = chain.sold[index][:, week], ~chain.censored[index][:, week]
        if store not in made_on:
            continue
        rows = table.filter((pc.field("store") == store) & (pc.field("made_on") == made_on[store]))
        product = positions(rows["product"], chain.product_index)
        horizon = rows["horizon_days"].to_numpy() - 1
        known = (product >= 0) & (horizon < DAYS)
        for name, cube in forecast.items():
            cube[index, product[known], horizon[known]] = rows[name].to_numpy()[known]
    return Window(forecast, expected, actual, naive, honest)


def _wape(found: Floats, truth: Floats | Ints) -> float:
    return float(np.abs(found - truth).sum() / max(truth.sum(), 1e-9))


def _skill(window: Window, found: Floats) -> float:
    seen = window.honest
    naive = np.abs(window.naive - window.actual)[seen].sum()
    return float(1 - np.abs(found - window.actual)[seen].sum() / max(naive, 1))


def _coverage(window: Window, size: Floats, low: str, high: str) -> tuple[float, float]:
    """Coverage found, and that of the true quantiles of the negative binomial, on days with demand and a forecast."""
    from scipy.stats import nbinom

    seen = (window.expected > 0) & ~np.isnan(window.forecast[low])
    if not seen.any():
        return np.nan, np.nan
    actual, k = window.actual[seen], size[seen]
    chance = k / (k + window.expected[seen])
    bounds = [nbinom.ppf(_QUANTILES[name], k, chance) for name in (low, high)]
    inside = (actual >= window.forecast[low][seen]) & (actual <= window.forecast[high][seen])
    return float(inside.mean()), float(((actual >= bounds[0]) & (actual <= bounds[1])).mean())
