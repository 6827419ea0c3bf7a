"""Daily demand of one store for the next 28 days, with intervals, and how good such forecasts were before.

Belongs here: the one entry, the rolling origins, what is shown, the tables. Does not belong here: the estimates
themselves (`forecast_origin` and what it uses), how wide intervals must be (`interval_calibration`). Pure and
deterministic: no clock, no chance, no order of rows matters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import partial

import numpy as np
import pyarrow as pa

from emma_platform.model.estimates import FORECAST_SCORES, SALES_FORECAST
from emma_platform.model.report_card import FORECAST_ACCURACY, SALES_FORECAST_TOTALS
from emma_platform.transforms.count_intervals import LEVELS, negative_binomial_quantiles
from emma_platform.transforms.demand import Codes, Demand, Flags, Floats, read_demand
from emma_platform.transforms.demand_factors import fit_factors
from emma_platform.transforms.forecast_accuracy import accuracy_table
from emma_platform.transforms.forecast_boosting import Boosting
from emma_platform.transforms.forecast_groups import Groups, measure_spread
from emma_platform.transforms.forecast_lookback import SCORED_AFTER_DAYS, Quantiles, look_back
from emma_platform.transforms.forecast_origin import OriginForecast, forecast_from
from emma_platform.transforms.forecast_scores import Scores
from emma_platform.transforms.forecast_totals import newest_totals, totals_table
from emma_platform.transforms.interval_calibration import Calibration
from emma_platform.transforms.naive_intervals import naive_quantiles
from emma_platform.transforms.planned_prices import PricePath, planned_prices
from emma_platform.transforms.rare_sellers import RareSellers

ORIGINS = 4
"""Rolling origins scored, one week apart; the newest is 28 days before `made_on`."""

SHOWN_HORIZONS = (1, 7, 28)
"""The days ahead of an earlier origin that stay in the table."""

_WEEK = 7
_LONGEST_HORIZON = 28
_METHODS = ("smoothing", "category", "seasonal_naive", "boosting")


@dataclass(frozen=True)
class Predicted:
    """The negative binomial distributions that the intervals made on `made_on` are quantiles of.

    Attributes:
        products: product codes.
        mean: horizon x products, expected counts.
        variance: of the same, as calibrated.
    """

    products: list[str]
    mean: Floats
    variance: Floats


@dataclass(frozen=True)
class Forecast:
    """The rows of one store, in the schemas of `model`, sorted by their keys, and what the newest intervals rest on."""

    sales_forecast: pa.Table
    sales_forecast_totals: pa.Table
    forecast_scores: pa.Table
    forecast_accuracy: pa.Table
    predicted: Predicted = field(kw_only=True)


def forecast_store(
    demand: pa.Table,
    promotions: pa.Table,
    calendar: pa.Table,
    *,
    store: str,
    made_on: date,
    history_days: int,
    horizon_days: int = 28,
    plan: pa.Table | None = None,
    response: pa.Table | None = None,
    boosting: Boosting | None = None,
) -> Forecast:
    """Forecast every product of a store and score the method at four earlier origins.

    Args:
        demand: rows of `product_kpis` of the store: `day, product, category, units, average_price, on_hand`, in any
            order; a product-day without a row is a day without a sale. Rows after `made_on` are not looked at.
        promotions: as `model.tables.PROMOTIONS`; future ones count as known at every origin.
        calendar: as `model.tables.CALENDAR`.
        store: the store.
        made_on: the store's last known day.
        history_days: days of history, `made_on` included.
        horizon_days: days to forecast, 1 to 28.
        plan: as `model.tables.PRICE_PLAN`: prices known ahead. They count for `made_on`, not at earlier origins;
            `demand` then has `sold_units` and `sold_revenue` too.
        response: `price_response` of the store, what planned prices act by.
        boosting: the chain's model, where it is to have a say; no outcome of an origin scored may be known to it.

    Returns:
        All days ahead of `made_on` and the days 1, 7 and 28 ahead of each earlier origin for every product sold within
        182 days; scores for those of them with an origin at least 14 days after their first sale. What is shown for an
        earlier origin is what the method said then: the seasonal naive may replace it for `made_on` only.

    Raises:
        ValueError: `horizon_days` or `history_days` is out of range.
    """
    if not 1 <= horizon_days <= _LONGEST_HORIZON:
        raise ValueError(f"horizon_days is {horizon_days}; give 1 to {_LONGEST_HORIZON}")
    if history_days < 1:
        raise ValueError(f"history_days is {history_days}; give at least 1")
    history = read_demand(
        demand,
        promotions,
        calendar,
        store=store,
        made_on=made_on,
        history_days=history_days,
        horizon_days=horizon_days,
    )
    if history is None:
        tables = (SALES_FORECAST, SALES_FORECAST_TOTALS, FORECAST_SCORES, FORECAST_ACCURACY)
        nothing = np.zeros((horizon_days, 0))
        return Forecast(
            *(table.arrow_schema().empty_table() for table in tables), predicted=Predicted([], nothing, nothing)
        )
    last = len(history.units) - 1
    newest = _made(history, last, horizon_days, boosting)
    path = None
    if plan is not None and response is not None and plan.num_rows:
        path = planned_prices(demand, promotions, plan, response, history=history, made=newest, store=store)
        newest = path.applied(newest)
    made = _forecast(history, newest, path, store, boosting)
    newest, groups = made.newest, Groups.of(history, last)
    past = look_back(history, made.origins, groups)
    totals = [*past.totals, newest_totals(newest, groups, measure_spread(history, newest, groups))]
    return Forecast(
        made.rows,
        totals_table(totals, history, groups, newest.live, store),
        made.scores,
        accuracy_table(past, history, groups, np.flatnonzero(newest.live), made.methods, store),
        predicted=made.predicted,
    )


@dataclass(frozen=True)
class _Made:
    """The rows of all origins, the scores of the earlier ones and these themselves; the newest, and its methods."""

    rows: pa.Table
    scores: pa.Table
    origins: list[tuple[OriginForecast, Quantiles]]
    newest: OriginForecast
    methods: list[str | None]
    predicted: Predicted


def _made(history: Demand, origin: int, horizon: int, boosting: Boosting | None) -> OriginForecast:
    made = forecast_from(history, origin, horizon, fit_factors(history, origin))
    return boosting.on(history, made) if boosting else made


def _forecast(
    history: Demand, newest: OriginForecast, path: PricePath | None, store: str, boosting: Boosting | None
) -> _Made:
    last, horizon = newest.origin, len(newest.mean)
    origins = [last - _LONGEST_HORIZON - _WEEK * back for back in range(ORIGINS - 1, -1, -1)]
    scores = Scores.empty(len(history.products))
    calibration, rare = Calibration(history), RareSellers(history)
    blocks = []
    earlier: list[tuple[OriginForecast, Quantiles]] = []
    for origin in origins:
        if origin < 0:
            continue
        plain = _made(history, origin, horizon, boosting)
        made = rare.on(plain)
        calibrated = partial(_quantiles, history=history, scale=calibration.scale(made))
        quantiles = calibrated(made)
        scored = _scored_days(history, made)
        calibration.add(made, scored)
        rare.add(plain, scored)
        earlier.append((made, calibrated))
        scores = _scored(scores, history, made, scored, quantiles)
        shown = np.array([day - 1 for day in SHOWN_HORIZONS if day <= horizon])
        blocks.append(_block(history, made, quantiles, shown, newest.live & made.live))
    newest = rare.on(newest)
    own = None if path is None else newest.mean**2 * path.variance
    variance = _variance(newest, history, calibration.scale(newest), own)
    unit = history.unit(last)
    predicted = Predicted(history.products, newest.mean / unit, variance / unit**2)
    quantiles = negative_binomial_quantiles(predicted.mean, predicted.variance) * unit
    naive = scores.without_skill()
    newest.mean[:, naive] = newest.naive[:, naive]
    quantiles[:, :, naive] = naive_quantiles(history, newest, naive)
    block = _block(history, newest, quantiles, np.arange(horizon), newest.live)
    method = _methods(newest)
    method[naive] = _METHODS.index("seasonal_naive")
    block["method"] = method[block["product"]]
    if path is not None:
        block["planned_price"] = path.price[:, newest.live].T.ravel()
    blocks.append(block)
    table = scores.table(store, history.products, np.flatnonzero(newest.live))
    methods: list[str | None] = [_METHODS[number] for number in method.tolist()]
    return _Made(_table(blocks, history, store), table, earlier, newest, methods, predicted)


def _methods(made: OriginForecast) -> Codes:
    """Per product how it was forecast: its number in `_METHODS`."""
    return np.where(made.new, _METHODS.index("category"), np.where(made.boosted, _METHODS.index("boosting"), 0))


def _quantiles(made: OriginForecast, history: Demand, scale: Floats) -> Floats:
    """Quantiles x horizon x products, in units; `scale` is a factor on each product's standard deviation."""
    unit = history.unit(made.origin)
    return negative_binomial_quantiles(made.mean / unit, made.variance * (scale / unit) ** 2) * unit


def _variance(made: OriginForecast, history: Demand, scale: Floats, own: Floats | None) -> Floats:
    """The calibrated variance, in units squared.

    `own` is the part of the variance that is that of the prices' effect: no scale of past errors knows of it, and it
    comes to what counts scatter at least.
    """
    if own is None:
        return made.variance * scale**2
    rest = (made.variance - own) * scale**2
    return np.where(own > 0, np.maximum(rest, made.mean * history.unit(made.origin)) + own, rest)


def _scored_days(history: Demand, made: OriginForecast) -> Floats:
    """Horizon x products: 1 where the forecast is scored."""
    days = slice(made.origin + 1, made.origin + 1 + len(made.mean))
    scorable = (history.first_sale + SCORED_AFTER_DAYS <= made.origin) & made.live
    return (history.known[days] & scorable).astype(np.float64, order="C")


def _scored(scores: Scores, history: Demand, made: OriginForecast, scored: Floats, quantiles: Floats) -> Scores:
    """The scores with one more origin."""
    from emma_platform.transforms.demand_kernel import squared_changes

    days = slice(made.origin + 1, made.origin + 1 + len(made.mean))
    return scores.add(
        actual=np.ascontiguousarray(history.units[days]),
        scored=scored,
        mean=made.mean,
        naive=made.naive,
        quantiles=quantiles,
        scale=squared_changes(history.series.units, history.series.known, made.origin + 1),
    )


def _block(
    history: Demand, made: OriginForecast, quantiles: Floats, ahead: Codes, shown: Flags
) -> dict[str, np.typing.NDArray[np.generic]]:
    """The rows of one origin as flat columns, product by product."""
    products = np.flatnonzero(shown)
    grid = np.ix_(ahead, products)
    epoch = (history.first_day - date(1970, 1, 1)).days + made.origin
    size = len(products)
    return {
        "product": np.repeat(products, len(ahead)),
        "made_on": np.full(size * len(ahead), epoch),
        "horizon_days": np.tile(ahead + 1, size),
        "mean": made.mean[grid].T.ravel(),
        **{f"q{number}": quantiles[number][grid].T.ravel() for number in range(len(LEVELS))},
        "method": np.repeat(_methods(made)[products], len(ahead)),
        "planned_price": np.full(size * len(ahead), np.nan),
    }


def _table(blocks: list[dict[str, np.typing.NDArray[np.generic]]], history: Demand, store: str) -> pa.Table:
    """All blocks as one table in the order of product, made_on and day."""
    columns = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    order = np.lexsort((columns["horizon_days"], columns["made_on"], columns["product"]))
    columns = {name: values[order] for name, values in columns.items()}
    made_on = columns["made_on"].astype(np.int32)
    day = made_on + columns["horizon_days"].astype(np.int32)
    names = pa.array(history.products, pa.string())
    arrays = [
        pa.repeat(pa.scalar(store, pa.string()), len(order)),
        names.take(pa.array(columns["product"])),
        pa.array(made_on).cast(pa.date32()),
        pa.array(day.astype(np.int32)).cast(pa.date32()),
        pa.array(columns["horizon_days"].astype(np.int64)),
        pa.array(columns["mean"]),
        *(pa.array(columns[f"q{number}"]) for number in range(len(LEVELS))),
        pa.array(_METHODS, pa.string()).take(pa.array(columns["method"])),
        pa.array(columns["planned_price"], from_pandas=True),
    ]
    return pa.table(arrays, schema=SALES_FORECAST.arrow_schema())
