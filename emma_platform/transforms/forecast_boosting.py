"""The best engine's part of a forecast: how products share the sales of their category and class, by gradient boosting.

Belongs here: reading the model, the factors on the means. Does not belong here: its training and where it is used
(`forecast_model`), what it sees (`boosting_features`).

Boosting sees some hundred thousand product-weeks, but of a store as a whole only a few dozen weeks: what it says of all
products together is chance. So the weekly sum of a category's demand class stays that of the fast forecast. On
four windows of M5 before d_1914 a model that may move the sums raised the WRMSSE of 12 levels by 2 to 22 %, the same
one with the sums kept lowered it by 0.3 to 0.7 %.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from emma_platform.transforms.boosting_features import WEEKS, by_week, features
from emma_platform.transforms.demand import Codes, Demand, Floats
from emma_platform.transforms.forecast_origin import WEEK, OriginForecast

CLASSES = ("smooth", "intermittent", "erratic", "lumpy")
"""The demand classes, in the order of `smoothing.Pattern.classes`."""


class Model(Protocol):
    """What is used of a `lightgbm.Booster`."""

    def predict(self, data: Any, *, raw_score: bool, num_threads: int) -> Any: ...  # noqa: ANN401, D102 - LightGBM's own


@dataclass(frozen=True)
class Boosting:
    """A model and where it counts.

    Attributes:
        model: a LightGBM model of the log of the factor on a week's expected sales.
        weights: category and demand class to the weight of the log of the factor: 1, or 0.5 for the average of both
            engines (geometric). What is not named keeps the fast forecast.
    """

    model: Model
    weights: dict[tuple[str, str], float]

    @classmethod
    def of(cls, table: pa.Table) -> Boosting | None:
        """What the rows of `model.estimates.FORECAST_MODEL` say; None where the fast engine is better throughout."""
        rows = table.to_pylist()
        weights = {
            (row["category"], row["demand_class"]): row["weight"]
            for row in rows
            if row["level"] == "class" and row["weight"] > 0
        }
        texts = [row["model"] for row in rows if row["level"] == "chain"]
        return cls(loaded(texts[0]), weights) if weights else None

    def on(self, demand: Demand, made: OriginForecast) -> OriginForecast:
        """The forecast with the shares of its products within their category and class as the model says."""
        classes = made.pattern.classes
        weight = np.where(made.live & ~made.new, self._weights(demand)[demand.categories, classes], 0.0)
        products = np.flatnonzero(weight)
        if not len(products):
            return made
        log_factor = predicted(self.model, features(demand, made)[:, products]) * weight[products]
        share = np.ones((WEEKS, len(weight)))
        groups = demand.categories * len(CLASSES) + classes
        share[:, products] = shares(log_factor, expected(made)[:, products], groups[products])
        daily = np.repeat(share, WEEK, axis=0)[: len(made.mean)]
        fitted = replace(made.fitted, share=share)
        return replace(made, mean=made.mean * daily, variance=made.variance * daily, boosted=weight > 0, fitted=fitted)

    def _weights(self, demand: Demand) -> Floats:
        """Categories x classes."""
        names = [name or "" for name in demand.category_names]
        return np.array([[self.weights.get((name, of), 0.0) for of in CLASSES] for name in names])


def loaded(text: str) -> Model:
    """A model from its text."""
    from lightgbm import Booster

    return Booster(model_str=text)


def predicted(model: Model, rows: np.typing.NDArray[np.float32]) -> Floats:
    """The log of the factor of each row: the shape of `rows` without its last axis."""
    flat = rows.reshape(-1, rows.shape[-1])
    return np.asarray(model.predict(flat, raw_score=True, num_threads=1), dtype=np.float64).reshape(rows.shape[:-1])


def expected(made: OriginForecast) -> Floats:
    """Weeks x products: what the forecast expects of 28 days, those beyond its horizon as the last ones."""
    days = np.minimum(np.arange(WEEKS * WEEK), len(made.mean) - 1)
    return by_week(made.mean[days])


def shares(log_factor: Floats, weekly: Floats, groups: Codes) -> Floats:
    """Weeks x products: factors under which the sums of each group stay what they are.

    Args:
        log_factor: weeks x products.
        weekly: weeks x products, what is expected.
        groups: per product the number of its group.
    """
    factor = np.exp(log_factor)
    width = int(groups.max(initial=-1)) + 1
    for week in range(len(factor)):
        before = np.bincount(groups, weights=weekly[week], minlength=width)
        after = np.bincount(groups, weights=weekly[week] * factor[week], minlength=width)
        factor[week] *= np.where(after > 0, before / np.where(after > 0, after, 1.0), 1.0)[groups]
    return factor
