"""Price tests as the chain would run them: which store charges the test price, and which one keeps its price.

Belongs here: pairing stores with like sales. Does not belong here: which tests are worth it, their price, days and cost
(`transforms.price_experiment`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from emma_platform.model.access import StoreScope
from emma_platform.serving.contents import PRODUCT_OVERVIEW
from emma_platform.serving.reader import Reader

_COLUMNS = ("store", "product", "status", "units_28d", "current_price", "recommended_price", "test_days", "test_chance",
            "test_cost")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Experiment:
    """A test of one product's price in one store, beside another that keeps its price.

    Attributes:
        store: charges `test_price` instead of `current_price` for `days` days.
        control: has the most similar sales of the product and keeps its price.
        chance: that the test ends with an answer.
        cost_at_most: profit a week, with a chance of 90 %.
    """

    product: str
    store: str
    control: str
    current_price: float
    test_price: float
    days: int
    chance: float
    cost_at_most: float


def experiments(reader: Reader, scope: StoreScope, *, store: str | None = None) -> list[Experiment]:
    """The tests that the newest advice proposes among the stores of the scope, or those that a store takes part in."""
    found = paired(reader.table(scope, PRODUCT_OVERVIEW.name, columns=_COLUMNS).to_pylist())
    return [one for one in found if store is None or store in (one.store, one.control)]


def paired(rows: Iterable[Mapping[str, Any]]) -> list[Experiment]:
    """Stores to test in and stores to compare with: each pair has like sales, and no store is in two of a product.

    Of the stores that would test, neighbours by sales make a pair, in which the smaller one tests; one that is left
    takes the store with the nearest sales among those that keep their price, or is left out where there is none.

    Args:
        rows: of one day: store, product, status, units_28d (sales), current_price, recommended_price, test_days,
            test_chance, test_cost.
    """
    products: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["units_28d"] is not None and row["status"] in ("explore", "hold"):
            products[row["product"]].append(row)
    found = []
    for product, stores in sorted(products.items()):
        testing = sorted((row for row in stores if row["status"] == "explore"), key=_size)
        others = [row for row in stores if row["status"] == "hold"]
        for smaller, larger in zip(testing[::2], testing[1::2], strict=False):
            found.append(_experiment(product, smaller, larger))
        if len(testing) % 2 and others:
            found.append(_experiment(product, testing[-1], _nearest(testing[-1], others)))
    return sorted(found, key=lambda one: (one.product, one.store))


def _nearest(one: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The store whose sales differ least, the first by name of equals."""

    def distance(other: Mapping[str, Any]) -> tuple[float, str]:
        return abs(_size(other)[0] - _size(one)[0]), other["store"]

    return min(others, key=distance)


def _size(row: Mapping[str, Any]) -> tuple[float, str]:
    return float(row["units_28d"]), row["store"]


def _experiment(product: str, test: Mapping[str, Any], control: Mapping[str, Any]) -> Experiment:
    return Experiment(
        product,
        test["store"],
        control["store"],
        float(test["current_price"]),
        float(test["recommended_price"]),
        test["test_days"],
        test["test_chance"],
        test["test_cost"],
    )
