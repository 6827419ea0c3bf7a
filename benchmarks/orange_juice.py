"""Dominick's orange juice: the panel, and a forecast of it from known prices, deals and adverts.

Belongs here: reading the data, made data of the same shape, and our forecast from the platform's regression. Does not
belong here: what is compared with what (`q5_orange_juice`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emma_platform.transforms.price_regression import Floats, least_squares

FILE = "orangejuice_yx.parquet"
BRANDS = 11
FIRST_WEEK = 40

HALF_LIFE = 120.0
"""Weeks after which a week counts half in the regressions."""

LEVEL_HALF_LIFE, LEVEL_WEEKS = 6.0, 3.0
"""The same of the level's latest move, which is drawn to zero as if by so many weeks more."""

BRAND_RIDGE = 10.0
SPREADS = np.array([1.0, 0.35, 0.15, 0.2])
"""How a store differs from its brand in level, own price, deal and advert (standard deviations); all of these were
chosen on forecasts of the weeks 117 to 142."""

POOLED_WEEKS = 8.0
"""Weeks that the brand's variance counts for beside the series' own."""


@dataclass(frozen=True)
class Panel:
    """Arrays of store x brand x week, from `FIRST_WEEK` on.

    Attributes:
        log_units: not a number where a week is missing.
        log_price: of the brand itself; a missing week has its neighbour's.
        deal, advert: 0 where a week is missing.
    """

    log_units: Floats
    log_price: Floats
    deal: Floats
    advert: Floats


def load(path: Path) -> Panel:
    """The panel of a file with the columns of bayesm's `orangeJuice$yx`."""
    import pyarrow.parquet as pq

    rows = pq.read_table(path)
    stores, store = np.unique(rows["store"].to_numpy(), return_inverse=True)
    brand, week = rows["brand"].to_numpy() - 1, rows["week"].to_numpy() - FIRST_WEEK

    def cube(name: str) -> Floats:
        values = np.full((len(stores), BRANDS, int(week.max()) + 1), np.nan)
        values[store, brand, week] = rows[name].to_numpy()
        return values

    prices = np.full((len(stores), BRANDS, int(week.max()) + 1), np.nan)
    for number in range(BRANDS):
        prices[store, number, week] = np.log(rows[f"price{number + 1}"].to_numpy())
    return Panel(cube("logmove"), _filled(prices), np.nan_to_num(cube("deal")), np.nan_to_num(cube("feat")))


def _filled(values: Floats) -> Floats:
    """Gaps filled with the value before, and those at the start with the one after."""
    known = np.isfinite(values)
    place = np.maximum.accumulate(np.where(known, np.arange(values.shape[-1]), -1), axis=-1)
    place = np.where(place < 0, known.argmax(axis=-1)[..., None], place)
    return np.take_along_axis(values, place, axis=-1)


def write_made(path: Path, *, stores: int = 3, weeks: int = 121, seed: int = 1) -> None:
    """Write made data of the same columns, with an elasticity of -3."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    store, week, brand = (axis.ravel() for axis in np.meshgrid(range(stores), range(weeks), range(BRANDS)))
    prices = np.exp(rng.normal(-3.2, 0.2, (stores, weeks, BRANDS)))
    deal, advert = rng.integers(0, 2, len(store)), rng.integers(0, 2, len(store)).astype(float)
    log_units = -3.0 * np.log(prices[store, week, brand]) + 0.3 * deal + 0.5 * advert + rng.normal(0, 0.4, len(store))
    columns = {"store": store + 2, "brand": brand + 1, "week": week + FIRST_WEEK, "logmove": log_units}
    columns |= {f"price{number + 1}": prices[store, week, number] for number in range(BRANDS)}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns | {"deal": deal, "feat": advert}), path)


def columns_of(panel: Panel, weeks: int) -> Floats:
    """(stores, brands, weeks, columns): log price of every brand, deal, advert, both, and how many others have them."""
    deal, advert = panel.deal[:, :, :weeks], panel.advert[:, :, :weeks]
    shape = deal.shape
    prices = [np.broadcast_to(panel.log_price[:, None, brand, :weeks], shape) for brand in range(BRANDS)]
    others = [each.sum(axis=1, keepdims=True) - each for each in (deal, advert)]
    return np.stack([*prices, deal, advert, deal * advert, *others], axis=-1)


def forecast(panel: Panel, last: int, targets: list[int]) -> tuple[Floats, Floats]:
    """Log units of the target weeks from the weeks up to `last`: mean, and variance of each series' weeks around it.

    A regression for each brand over all stores, on deviations from the series' means; each store's own deviation from
    it, shrunk as a normal prior says; and the latest move of what is left, smoothed exponentially.

    Args:
        panel: the data; log units after `last` are not looked at.
        last: place of the last known week.
        targets: places of the weeks to forecast.

    Returns:
        (stores, brands, targets) and (stores, brands).
    """
    weeks = max(targets) + 1
    known = np.isfinite(panel.log_units[:, :, :weeks]) & (np.arange(weeks) <= last)
    age = np.maximum(last - np.arange(weeks), 0)
    weight = known * 0.5 ** (age / HALF_LIFE)
    total = np.maximum(weight.sum(axis=2), 1e-9)
    units = np.where(known, panel.log_units[:, :, :weeks], 0.0)
    mean = (units * weight).sum(axis=2) / total
    rows = columns_of(panel, weeks)
    rows = rows - ((rows * weight[..., None]).sum(axis=2) / total[..., None])[:, :, None, :]
    left = (units - mean[:, :, None]) * known
    stores, brands, _, width = rows.shape

    def by_brand(values: Floats) -> Floats:
        return values.swapaxes(0, 1).reshape(brands, stores * weeks, *values.shape[3:])

    brand = least_squares(by_brand(left), by_brand(rows), by_brand(weight), np.full(width, BRAND_RIDGE))
    found = brand.fitted.reshape(brands, stores, weeks).swapaxes(0, 1)
    left = (left - found) * known
    variance = (left**2 * weight).sum(axis=(0, 2)) / np.maximum(weight.sum(axis=(0, 2)), 1e-9)

    own = panel.log_price[:, :, :weeks]
    design = np.stack(
        [
            np.ones_like(own),
            own - own.mean(axis=2, keepdims=True),
            panel.deal[:, :, :weeks],
            panel.advert[:, :, :weeks],
        ],
        axis=-1,
    )
    series = least_squares(
        left.reshape(-1, weeks),
        design.reshape(-1, weeks, len(SPREADS)),
        (weight / variance[None, :, None]).reshape(-1, weeks),
        1.0 / SPREADS**2,
    ).fitted.reshape(own.shape)
    left = (left - series) * known
    late = known * 0.5 ** (age / LEVEL_HALF_LIFE)
    level = (left * late).sum(axis=2) / (late.sum(axis=2) + LEVEL_WEEKS)
    spread = ((left**2 * weight).sum(axis=2) + POOLED_WEEKS * variance) / (weight.sum(axis=2) + POOLED_WEEKS)
    return (mean[:, :, None] + found + series + level[:, :, None])[:, :, targets], spread
