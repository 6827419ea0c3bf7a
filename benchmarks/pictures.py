"""The pictures of docs/methods.md, from real data: `python -m benchmarks.pictures`.

Belongs here: drawing what `complete_journey` and `orange_juice` find. Does not belong here: the numbers in RESULTS.md
(`q5_orange_juice`, `q6_complete_journey`).
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from benchmarks import complete_journey, orange_juice
from benchmarks.q6_complete_journey import LAST_DAY, origins
from benchmarks.real_data import AbsentError, needed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOCS = Path(__file__).parents[1] / "docs"
STORES, SHOWN_DAYS = 4, 84
INK, FORECAST, SOFT = "#333333", "#2563eb", "#9ca3af"


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="The folder with the real data.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=DOCS, help="Where the pictures go.")
def main(data: Path | None, output: Path) -> None:
    """Draw a forecast of weeks held out, and elasticities of stores drawn towards their brand's."""
    from matplotlib.figure import Figure

    try:
        folder = needed((*complete_journey.FILES, orange_juice.FILE), data)
    except AbsentError as error:
        raise click.ClickException(str(error)) from error
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    total, covered = figure.subplots(1, 2, width_ratios=[3, 2])
    draw_forecast(folder, total, covered)
    figure.savefig(output / "methods-forecast.png", dpi=110)
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    draw_elasticities(orange_juice.load(folder / orange_juice.FILE), figure.subplots())
    figure.savefig(output / "methods-elasticity.png", dpi=110)


def draw_forecast(folder: Path, total: Axes, covered: Axes) -> None:
    """One store's days, forecast and sold; and how many of all stores' days fell at or below each quantile."""
    rows = complete_journey.sales(folder, STORES)
    _, held = complete_journey.held_out(rows, origins())
    store = rows["store"].value_counts().index[0]
    last = held.rows["day"] > LAST_DAY - timedelta(days=complete_journey.HORIZON)
    found = held.rows[last & (held.rows["store"] == store)].sort_values("day")
    sold = rows[rows["store"] == store].groupby("day")["units"].sum()
    sold = sold[sold.index > LAST_DAY - timedelta(days=SHOWN_DAYS)]
    days = np.array(found["day"], dtype="datetime64[D]")
    for low, high, name in (("p025", "p975", "95 %"), ("p10", "p90", "80 %")):
        total.fill_between(days, found[low], found[high], color=FORECAST, alpha=0.18, linewidth=0, label=name)
    total.plot(days, found["mean"], color=FORECAST, label="forecast")
    total.plot(days, found["actual"], color=INK, linewidth=1, label="sold of these products")
    total.plot(np.array(sold.index, dtype="datetime64[D]"), sold, color=INK, linewidth=0.8, linestyle=":", label="sold")
    total.set(title=f"Store {store}: units a day, the last 28 days held out", ylim=(0, None))
    total.tick_params(axis="x", labelsize=8)
    names = ("p025", "p10", "p90", "p975")
    levels = np.array([0.025, 0.1, 0.9, 0.975])
    below = [float((held.rows["actual"] <= held.rows[name]).mean()) for name in names]
    covered.plot(levels, below, "o-", color=FORECAST, label="days of stores")
    covered.plot([0, 1], [0, 1], color=INK, linewidth=0.8, label="as said")
    covered.set(title="Days at or below each quantile", xlabel="said", ylabel="found", xlim=(0, 1), ylim=(0, 1))
    for axes in (total, covered):
        axes.legend(frameon=False, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)


def draw_elasticities(panel: orange_juice.Panel, axes: Axes) -> None:
    """Each store's own estimate of a brand's elasticity, and drawn towards the brand as far as chance explains it."""
    own, variance = store_elasticities(panel)
    stores, brands = own.shape
    group = np.tile(np.arange(brands), stores)
    shrunk = drawn(own.ravel(), variance.ravel(), group, brands).reshape(own.shape)
    shift = np.random.default_rng(1).uniform(-0.12, 0.12, own.shape)
    at = np.arange(brands) + shift
    axes.plot((at - 0.18).ravel(), own.ravel(), ".", color=SOFT, markersize=3, label="each store by itself")
    axes.plot((at + 0.18).ravel(), shrunk.ravel(), ".", color=FORECAST, markersize=3, label="drawn towards the brand")
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set(title="Price elasticity of 11 brands of orange juice in 83 stores", xlabel="brand", ylim=(-7, 1))
    axes.set_xticks(np.arange(brands), [str(brand + 1) for brand in range(brands)])
    axes.legend(frameon=False, fontsize=8, loc="lower right", ncols=2)
    axes.spines[["top", "right"]].set_visible(False)


def store_elasticities(panel: orange_juice.Panel) -> tuple[np.ndarray, np.ndarray]:
    """Stores x brands: own-price elasticities, deals and adverts held fixed, and their variances."""
    from emma_platform.transforms.price_regression import least_squares

    known = np.isfinite(panel.log_units).astype(np.float64)
    stores, brands, weeks = known.shape
    design = np.stack([np.ones_like(known), panel.log_price, panel.deal, panel.advert], axis=-1)
    flat = design.reshape(-1, weeks, design.shape[-1])
    units, weights = np.nan_to_num(panel.log_units).reshape(-1, weeks), known.reshape(-1, weeks)
    ridge = np.array([0.0, 0.0, 1e-6, 1e-6])  # a brand that a store never advertised has no such effect there
    fit = least_squares(units, flat, weights, ridge)
    left = (units - fit.fitted) * weights
    free = np.maximum(weights.sum(axis=1) - flat.shape[2], 1.0)
    information = np.einsum("nwi,nw,nwj->nij", flat, weights, flat) + np.diag(ridge)
    variance = np.linalg.inv(information)[:, 1, 1] * (left**2).sum(axis=1) / free
    return fit.coefficients[:, 1].reshape(stores, brands), variance.reshape(stores, brands)


def drawn(values: np.ndarray, variances: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """Posterior means, with the prior that the platform's own pooling finds in each group."""
    from emma_platform.transforms.price_pooling import between_variance, pool

    between, _ = between_variance(values, variances, 1.0 / variances, group, groups)
    centre = pool(values, variances + between, group, groups).mean[group]
    return np.asarray((values / variances + centre / between) / (1.0 / variances + 1.0 / between))


if __name__ == "__main__":
    main()
