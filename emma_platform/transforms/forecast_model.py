"""The model of the best engine: what it is trained on, its training, and where it is used.

Belongs here: a store's share of the evidence, the fit, the choice by category and demand class. Does not belong here:
the features (`boosting_features`) and what the model does to a forecast (`forecast_boosting`).

A row is a product and a week ahead of an earlier origin: units sold, Poisson, around what the fast forecast expected
(its log is where boosting starts: Friedman, Greedy function approximation, Annals of Statistics 29, 2001), which is
first brought to the sum that its category and demand class sold in that week. With that sum given, Poisson counts are
multinomial: the model learns shares and nothing of the store's luck. It is judged on origins of which it knows no
outcome, by the root mean squared scaled error of weekly sums, and used where it saves more than 1 % on three of four
and in the mean. Sums are kept by class because use is decided by class: what is judged is then what is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date

import numpy as np
import pyarrow as pa

from emma_platform.model.estimates import FORECAST_MODEL
from emma_platform.transforms.boosting_features import FEATURES, WEEKS, WINDOW_DAYS, Features, by_week, features
from emma_platform.transforms.demand import Codes, Demand, Floats, read_demand
from emma_platform.transforms.demand_factors import fit_factors
from emma_platform.transforms.forecast_boosting import CLASSES, loaded, predicted, shares
from emma_platform.transforms.forecast_origin import WEEK, forecast_from

MOST_ROWS = 1_000_000
"""Rows of the whole chain, for training and judging together: 60 MB of features."""

_HORIZON = WEEKS * WEEK
_JUDGED, _JUDGED_APART = 4, 7
_TRAINED, _TRAINED_APART = 8, 14
_LEAST_GAIN, _LEAST_WINS = 0.01, 3
_WEIGHTS = (1.0, 0.5)
_LEAST_EXPECTED = 1e-4
_LEAST_TRAINED_ROWS = 1_000
_ROUNDS = 150
_PARAMETERS = {
    "objective": "poisson", "learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 500, "lambda_l2": 10.0,
    "feature_fraction": 0.6, "max_bin": 63, "seed": 1, "deterministic": True, "force_row_wise": True, "num_threads": 1,
    "verbose": -1,
}  # fmt: skip
"""Chosen on M5 before d_1914; one thread, so that sums are added in one order."""


@dataclass(frozen=True)
class Evidence:
    """A store's product-weeks; arrays have one entry a row.

    Attributes:
        rows: rows x features.
        expected: units that the fast forecast expected.
        sold: units sold on the days that count.
        scale: mean squared change of the product from week to week, up to the origin.
        group: number of the origin, the week, the category and the class; those of one group share its sum.
        series: number of the origin and the product.
        origin: 0 for training, 1 to 4 for the origins that judge, the oldest first.
        demand_class: index in `CLASSES`.
        category: name; empty for none.
    """

    rows: Features
    expected: Floats
    sold: Floats
    scale: Floats
    group: Codes
    series: Codes
    origin: Codes
    demand_class: Codes
    category: np.typing.NDArray[np.object_]


def evidence(
    demand: pa.Table,
    promotions: pa.Table,
    calendar: pa.Table,
    *,
    store: str,
    until: date,
    history_days: int,
    most_rows: int,
) -> Evidence | None:
    """What a store says: the product-weeks after eight origins to train on and four later ones to judge by.

    Those that judge are a week apart, the newest 28 days before `until`: no earlier origin that a forecast is scored at
    (`forecast.ORIGINS`) has an outcome that the model was trained on. The others are two weeks apart, and over before
    the first that judges. Every n-th product counts, others at each origin, so that there are about `most_rows`.

    Args:
        demand: as in `forecast.forecast_store`; days after `until` are not looked at.
        promotions: as `model.tables.PROMOTIONS`.
        calendar: as `model.tables.CALENDAR`.
        store: the store.
        until: the last day that counts.
        history_days: days of history, `until` included.
        most_rows: how many rows to take.
    """
    history = read_demand(
        demand, promotions, calendar, store=store, made_on=until, history_days=history_days, horizon_days=_HORIZON
    )
    if history is None:
        return None
    newest = len(history.units) - 1 - _HORIZON
    judged = [newest - _JUDGED_APART * back for back in range(_JUDGED)]
    trained = [judged[-1] - _HORIZON - _TRAINED_APART * back for back in range(_TRAINED)]
    origins = [(origin, 0) for origin in trained] + [(origin, _JUDGED - number) for number, origin in enumerate(judged)]
    origins = [(origin, number) for origin, number in origins if origin >= WINDOW_DAYS]
    stride = -(-len(history.products) * WEEKS * len(origins) // most_rows)
    parts = [_after(history, origin, number, stride) for origin, number in origins]
    return joined(parts) if parts else None


def _after(history: Demand, origin: int, number: int, stride: int) -> Evidence:
    """The product-weeks after one origin."""
    made = forecast_from(history, origin, _HORIZON, fit_factors(history, origin))
    known = history.known[origin + 1 : origin + 1 + _HORIZON]
    taken = made.live & ~made.new & (np.arange(len(made.live)) % stride == origin // WEEK % stride)
    products = np.flatnonzero(taken)
    past = slice(0, origin + 1)
    weekly = by_week((made.mean * known)[:, products])
    sold = by_week((history.units[origin + 1 : origin + 1 + _HORIZON] * known)[:, products])
    classes = made.pattern.classes[products]
    categories = history.categories[products]
    names = np.array([name or "" for name in history.category_names], dtype=object)
    week = np.repeat(np.arange(WEEKS), len(products))
    return Evidence(
        rows=features(history, made)[:, products].reshape(WEEKS * len(products), -1),
        expected=weekly.ravel(),
        sold=sold.ravel(),
        scale=np.tile(_scales(history.units[past])[products], WEEKS),
        group=(week * len(names) + np.tile(categories, WEEKS)) * len(CLASSES) + np.tile(classes, WEEKS),
        series=np.tile(np.arange(len(products)), WEEKS),
        origin=np.full(WEEKS * len(products), number),
        demand_class=np.tile(classes, WEEKS),
        category=np.tile(names[categories], WEEKS),
    )


def _scales(units: Floats) -> Floats:
    """Per product the mean squared change from week to week, over the whole weeks that end on the last day."""
    weeks = units[len(units) % WEEK :].reshape(-1, WEEK, units.shape[1]).sum(axis=1)
    change = np.diff(weeks, axis=0)
    return np.asarray((change * change).mean(axis=0), dtype=np.float64)


def joined(parts: Sequence[Evidence]) -> Evidence:
    """The evidence of several origins or stores, their groups and series kept apart."""
    values = {field.name: [getattr(part, field.name) for part in parts] for field in fields(Evidence)}
    for name in ("group", "series"):
        first = np.cumsum([0, *(int(codes.max(initial=-1)) + 1 for codes in values[name])])
        values[name] = [codes + start for codes, start in zip(values[name], first[:-1], strict=True)]
    return Evidence(**{name: np.concatenate(arrays) for name, arrays in values.items()})


def _picked(found: Evidence, rows: np.typing.NDArray[np.bool_]) -> Evidence:
    return Evidence(**{field.name: getattr(found, field.name)[rows] for field in fields(Evidence)})


def trained(found: Evidence, until: date) -> pa.Table:
    """The model and where it is used, as `model.estimates.FORECAST_MODEL`; no row where there is too little."""
    from lightgbm import Dataset, train

    own = _picked(found, found.origin == 0)
    if len(own.sold) < _LEAST_TRAINED_ROWS:
        return FORECAST_MODEL.arrow_schema().empty_table()
    data = Dataset(own.rows, own.sold, init_score=_offset(own), feature_name=list(FEATURES))
    text = train(_PARAMETERS, data, num_boost_round=_ROUNDS).model_to_string()
    return pa.Table.from_pylist(
        [
            {
                "level": "chain",
                "category": "",
                "demand_class": "all",
                "trained_until": until,
                "training_rows": len(own.sold),
                "model": text,
            },
            *_choice(_picked(found, found.origin > 0), text, until),
        ],
        schema=FORECAST_MODEL.arrow_schema(),
    )


def _offset(own: Evidence) -> Floats:
    """The log of what was expected, brought to what its group sold."""
    before, after = (np.bincount(own.group, weights=values) for values in (own.expected, own.sold))
    ratio = after / np.where(before > 0, before, 1.0)
    return np.asarray(np.log(np.maximum(own.expected * ratio[own.group], _LEAST_EXPECTED)), dtype=np.float64)


def _choice(unseen: Evidence, text: str, until: date) -> list[dict[str, object]]:
    """A row for each category and demand class: what the model saves there on origins that it did not see."""
    log_factor = predicted(loaded(text), unseen.rows)[None, :]
    _, first, series = np.unique(unseen.series, return_index=True, return_inverse=True)

    def errors(forecast: Floats) -> Floats:
        """Per series the root mean squared scaled error of its weeks; NaN where its sales never changed."""
        scaled = (forecast - unseen.sold) ** 2 / np.where(unseen.scale > 0, unseen.scale, np.nan)
        return np.asarray(np.sqrt(np.bincount(series, weights=scaled) / np.bincount(series)), dtype=np.float64)

    plain = errors(unseen.expected)
    boosted = {
        weight: errors(unseen.expected * shares(log_factor * weight, unseen.expected[None, :], unseen.group)[0])
        for weight in _WEIGHTS
    }
    category, demand_class, origin = unseen.category[first], unseen.demand_class[first], unseen.origin[first]
    found: list[dict[str, object]] = []
    for of in sorted(set(category.tolist())):
        for number, name in enumerate(CLASSES):
            members = (category == of) & (demand_class == number) & np.isfinite(plain)
            if members.any():
                gains = {weight: _gains(plain, own, origin, members) for weight, own in boosted.items()}
                row = {"level": "class", "category": of, "demand_class": name, "trained_until": until}
                found.append(row | _judged(gains))
    return found


def _gains(plain: Floats, errors: Floats, origin: Codes, members: np.typing.NDArray[np.bool_]) -> list[float]:
    """The share of the mean error saved at each origin that has a member."""
    saved = []
    for number in range(1, _JUDGED + 1):
        at = members & (origin == number)
        if plain[at].sum() > 0:
            saved.append(float(1.0 - errors[at].sum() / plain[at].sum()))
    return saved


def _judged(gains: dict[float, list[float]]) -> dict[str, object]:
    """The best weight that wins often enough and on the whole, else 0; with the gain of the best weight."""
    wins = {weight: sum(gain > _LEAST_GAIN for gain in saved) for weight, saved in gains.items()}
    mean = {weight: float(np.mean(saved)) if saved else 0.0 for weight, saved in gains.items()}
    winners = [weight for weight in gains if wins[weight] >= _LEAST_WINS and mean[weight] > _LEAST_GAIN]
    best = max(winners or gains, key=lambda weight: mean[weight])
    return {
        "origins": len(gains[best]),
        "origins_won": wins[best],
        "gain_pct": 100.0 * mean[best],
        "weight": best if winners else 0.0,
    }
