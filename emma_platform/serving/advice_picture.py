"""A picture of the account of price advice: promised and delivered as they grew, and each decision by itself.

Belongs here: drawing. Does not belong here: the amounts (`advice_account`).
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from emma_platform.serving.advice_account import Account

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PROMISED, _DELIVERED, _LEAST = "#64748b", "#15803d", "#dbe4dd"


def picture(account: Account) -> bytes:
    """A PNG: on the left the running account, on the right promised against delivered by decision."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [3, 2]})
    _running(left, account)
    _single(right, account)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110, metadata={"Software": None})
    return data.getvalue()


def _running(axes: Axes, account: Account) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    days = [moment.day for moment in account.running]
    promised = [moment.promised for moment in account.running]
    middle = [moment.delivered.p50 for moment in account.running]
    low, high = ([getattr(m.delivered, name) for m in account.running] for name in ("p10", "p90"))
    axes.fill_between(days, low, high, step="post", color=_LEAST, label="80 % interval")  # type: ignore[arg-type]
    axes.step(days, promised, where="post", color=_PROMISED, linestyle="--", label="promised")  # type: ignore[arg-type]
    axes.step(days, middle, where="post", color=_DELIVERED, label="delivered")  # type: ignore[arg-type]
    axes.axhline(0, color="black", lw=0.6)
    axes.set_title("Extra profit a week from accepted advice", loc="left", fontweight="bold")
    axes.set_xlabel("price changed on")
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.legend(frameon=False, loc="upper left")


def _single(axes: Axes, account: Account) -> None:
    rows = [row for row in account.effects if row["status"] == "measured" and row["promised_p50"] is not None]
    promised = [row["promised_p50"] for row in rows]
    delivered = [row["delivered_p50"] for row in rows]
    below = [row["delivered_p50"] - row["delivered_p10"] for row in rows]
    above = [row["delivered_p90"] - row["delivered_p50"] for row in rows]
    axes.errorbar(promised, delivered, yerr=[below, above], fmt="o", ms=4, lw=0.8, color=_DELIVERED)
    ends = [min([0.0, *promised]), max([1.0, *promised])]
    axes.plot(ends, ends, color=_PROMISED, linestyle="--", lw=0.9)
    axes.axhline(0, color="black", lw=0.6)
    axes.set_title("Each decision", loc="left", fontweight="bold")
    axes.set_xlabel("promised a week")
    axes.set_ylabel("delivered a week, 80 % interval")
