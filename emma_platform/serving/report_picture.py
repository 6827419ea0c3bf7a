"""A picture of the forecast's report card: the last days against their forecasts, and what each part saved.

Belongs here: drawing. Does not belong here: the figures (`report_card`).
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from emma_platform.serving.report_card import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SOLD, _FORECAST, _BAND, _WORSE = "#0f172a", "#15803d", "#dbe4dd", "#b45309"
_STYLES = {1: "-", 7: "--", 28: ":"}
_MOST = 12


def picture(report: Report, horizon_days: int) -> bytes:
    """A PNG: on the left units by day, sold, forecast and to come; on the right the error saved by each part.

    Args:
        report: the report card, of more than a single product.
        horizon_days: the distance whose interval and savings are drawn.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [3, 2]})
    _days(left, report, horizon_days)
    _saved(right, report, horizon_days)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110, metadata={"Software": None})
    return data.getvalue()


def _days(axes: Axes, report: Report, horizon_days: int) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    for horizon, style in _STYLES.items():
        rows = [row for row in report.daily if row["horizon_days"] == horizon]
        days = [row["day"] for row in rows]
        if horizon == horizon_days:
            low, high = ([row[name] for row in rows] for name in ("p10", "p90"))
            axes.fill_between(days, low, high, color=_BAND, label="80 % interval")
        label = f"forecast {horizon} day{'s' if horizon > 1 else ''} before"
        axes.plot(days, [row["mean"] for row in rows], style, color=_FORECAST, lw=1.3, label=label)
    if report.ahead:
        days = [row["day"] for row in report.ahead.daily]
        low, high, mean = ([row[name] for row in report.ahead.daily] for name in ("p10", "p90", "mean"))
        axes.fill_between(days, low, high, color=_BAND)
        axes.plot(days, mean, color=_FORECAST, lw=1.3)
    sold = sorted({row["day"]: row["actual"] for row in report.daily}.items())
    axes.plot([day for day, _ in sold], [units for _, units in sold], "o", ms=3.5, color=_SOLD, label="sold")
    axes.set_ylim(bottom=0)
    axes.set_title(f"Units a day, {report.title}", loc="left", fontweight="bold")
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.legend(frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=3)


def _saved(axes: Axes, report: Report, horizon_days: int) -> None:
    rows = [row for row in report.rows if row["horizon_days"] == horizon_days][:_MOST]
    names = [
        " ".join(str(row[key]) for key in ("store", "category", "product") if row[key]) or "(none)" for row in rows
    ]
    saved = [100 * (row["skill_vs_seasonal_naive"] or 0.0) for row in rows]
    places = list(range(len(rows)))
    axes.barh(places, saved, color=[_FORECAST if value >= 0 else _WORSE for value in saved])
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.axvline(0, color="black", lw=0.6)
    axes.set_title(f"Error saved against the naive, by {report.by}", loc="left", fontweight="bold")
    axes.set_xlabel("%")
