"""How `emma report` shows the forecast's report card.

Belongs here: the look of that table. Does not belong here: the figures (`serving.report_card`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from emma_platform.serving.report_card import Report

_MOST = 25
_FIGURES = ("sold", "forecast", "too high", "in 80 %", "in 95 %", "error", "saved")


def show_report(to: Console, report: Report, horizon_days: int) -> None:
    """The whole at each distance, its parts at one of them, and what the columns say."""
    to.print(f"[bold]Forecasts of {escape(report.title)}[/], and what happened", highlight=False)
    if report.whole:
        table = _table("made before")
        for row in report.whole:
            table.add_row(_days(row["horizon_days"]), *_figures(row))
        to.print(table)
    if report.ahead:
        days = f"{report.ahead.first_day} to {report.ahead.last_day}"
        low, high = f"{report.ahead.p10:,.0f}", f"{report.ahead.p90:,.0f}"
        to.print(f"Next: {days}, {report.ahead.mean:,.0f} units; 80 %: {low} to {high}", highlight=False)
    rows = [row for row in report.rows if row["horizon_days"] == horizon_days]
    to.print(f"By {report.by}, forecasts made {_days(horizon_days)} before:", highlight=False)
    table = _table(report.by, *(("shown now",) if report.by == "product" else ()))
    several = report.by == "store" or len({row["store"] for row in rows}) > 1
    for row in rows[:_MOST]:
        own = row["product"] if report.by == "product" else row["category"]
        label = " ".join(part for part in (row["store"] if several else None, own) if part) or "(none)"
        shown = (str(row["shown"]).replace("_", " "),) if report.by == "product" else ()
        table.add_row(escape(label), *_figures(row), *shown)
    to.print(table)
    if len(rows) > _MOST:
        to.print(f"  … and {len(rows) - _MOST:,} more; --json lists all", highlight=False)
    naive, products = report.naive_shown
    if naive:
        to.print(
            f"{naive:,} of {products:,} store-products had no skill over the seasonal naive: it is shown instead.",
            highlight=False,
        )
    to.print(
        "[dim]error: root mean squared error as a multiple of that of the same weekday of the last known week;"
        " saved: the absolute error saved against it.[/]",
        highlight=False, soft_wrap=True,
    )  # fmt: skip


def _table(first: str, *last: str) -> Table:
    table = Table(first, *_FIGURES, *last, box=None, padding=(0, 1))
    for column in table.columns[1 : 1 + len(_FIGURES)]:
        column.justify = "right"
    return table


def _days(horizon_days: int) -> str:
    return "1 day" if horizon_days == 1 else f"{horizon_days} days"


def _figures(row: dict[str, Any]) -> list[str]:
    scaled = row["scaled_error"]
    return [
        f"{row['actual_units']:,.0f}",
        f"{row['forecast_units']:,.0f}",
        _percent(row["bias"], "+.1%"),
        _percent(row["coverage_80"], ".0%"),
        _percent(row["coverage_95"], ".0%"),
        "" if scaled is None else f"{scaled:.2f}",
        _percent(row["skill_vs_seasonal_naive"], "+.0%"),
    ]


def _percent(value: float | None, how: str) -> str:
    return "" if value is None else format(value, how).replace("%", " %")
