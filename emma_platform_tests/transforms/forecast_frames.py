"""Frames for the forecast's tests: sales of a made-up store as the columns of product_kpis."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from emma_platform.model.tables import CALENDAR, PROMOTIONS
from emma_platform.transforms.demand import read_demand
from emma_platform.transforms.forecast import forecast_store
from emma_platform.transforms.smoothing import pattern_of

MADE_ON = date(2026, 6, 30)
PROFILE = np.array([0.6, 0.7, 0.8, 0.9, 1.3, 1.8, 0.9])
QUANTILES = ["p025", "p10", "p50", "p90", "p975"]


def day(back):
    return MADE_ON - timedelta(days=back)


def demand_frame(units, *, names=None, categories=None, on_hand=None, last=MADE_ON):
    """Rows for all product-days of `units` (days x products, the last row is day `last`)."""
    length, width = units.shape
    names = names or [f"P{number:03d}" for number in range(width)]
    categories = categories or ["food"] * width
    days = np.repeat([last - timedelta(days=length - 1 - row) for row in range(length)], width)
    return pa.table(
        {
            "day": pa.array(days.tolist(), pa.date32()),
            "product": pa.array(names * length, pa.string()),
            "category": pa.array(categories * length, pa.string()),
            "units": pa.array(np.round(units, 3).ravel()).cast(pa.decimal128(18, 3)),
            "average_price": pa.array(np.ones(length * width)),
            "on_hand": pa.nulls(length * width, pa.decimal128(18, 3))
            if on_hand is None
            else pa.array(np.asarray(on_hand, dtype=float).ravel(), from_pandas=True).cast(pa.decimal128(18, 3)),
        }
    )


def promotions(*rows):
    """Promotions of (store, product, first_day, last_day)."""
    names = ("store", "product", "first_day", "last_day")
    return pa.Table.from_pylist(
        [dict(zip(names, row, strict=True)) | {"kind": None} for row in rows], schema=PROMOTIONS.arrow_schema()
    )


def calendar(*rows):
    """Calendar rows of (store, day, event, kind)."""
    return pa.Table.from_pylist(
        [dict(zip(("store", "day", "event", "kind"), row, strict=True)) for row in rows],
        schema=CALENDAR.arrow_schema(),
    )


def weekly_sales(days, level, *, seed=0, dispersion=2.0, last=MADE_ON):
    """Negative binomial sales with a weekday profile: days x products."""
    rng = np.random.default_rng(seed)
    first = (last - timedelta(days=days - 1)).weekday()
    mean = PROFILE[(first + np.arange(days)) % 7][:, None] * np.asarray(level)[None, :]
    return rng.negative_binomial(mean / (dispersion - 1.0), 1.0 / dispersion).astype(float)


def run(demand, **known):
    return forecast_store(demand, **_beside(**known))


def read(frame, **known):
    """What is known of the demand when a forecast is made; arguments as of `run`."""
    return read_demand(frame, **_beside(**known))


def _beside(*, promoted=None, events=None, made_on=MADE_ON, history_days=730, horizon_days=28):
    return {
        "promotions": promotions() if promoted is None else promoted,
        "calendar": calendar() if events is None else events,
        "store": "S1",
        "made_on": made_on,
        "history_days": history_days,
        "horizon_days": horizon_days,
    }


def demand_pattern(units, known):
    """The pattern of every column of days x series."""
    sizes = np.where(known & (units > 0), units, 0.0)
    return pattern_of(known.sum(axis=0), (sizes > 0).sum(axis=0), sizes.sum(axis=0), (sizes * sizes).sum(axis=0))


def newest(result, column="mean", *, made_on=MADE_ON):
    """The newest forecast's column by product: {product: array by horizon}."""
    rows = result.sales_forecast.to_pandas()
    rows = rows[rows["made_on"] == made_on].sort_values(["product", "horizon_days"])
    return {product: group[column].to_numpy() for product, group in rows.groupby("product")}
