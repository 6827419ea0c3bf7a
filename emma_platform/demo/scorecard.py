"""How well the platform recovered the truth of the demo chain.

Belongs here: the scorecard, and the measures of lines and money, which must agree exactly. Does not belong here: the
measures of forecasts and prices (`score_forecast`, `score_prices`), and reading tables from anywhere.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.demo.account import Injected
from emma_platform.demo.chain import Chain
from emma_platform.demo.faults import DUPLICATES, KEPT
from emma_platform.demo.goals import Goals, Row
from emma_platform.demo.oracle import Guardrails
from emma_platform.demo.score_forecast import forecast_rows
from emma_platform.demo.score_prices import elasticity_rows, price_rows
from emma_platform.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

TABLES = ("clean_sales", "product_kpis", "sales_forecast", "forecast_scores", "price_response", "price_recommendations")
"""The tables that a scorecard needs."""

_WIDTH = 110


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Measures with what was expected and found, in the order of the data's way."""

    rows: tuple[Row, ...] = field(default_factory=tuple)

    @property
    def met(self) -> bool:
        """Every measure is met."""
        return all(row.met for row in self.rows)

    @property
    def missed(self) -> tuple[Row, ...]:
        """Measures that are not met."""
        return tuple(row for row in self.rows if not row.met)

    def as_text(self) -> str:
        """The scorecard as a plain table of 110 columns."""
        from rich.console import Console

        text = io.StringIO()
        show(self, Console(file=text, width=_WIDTH, no_color=True, force_terminal=False))
        return text.getvalue()


def show(card: Scorecard, console: Console) -> None:
    """Print a scorecard."""
    from rich.table import Table

    table = Table(title="What the platform found, against the truth", title_justify="left")
    table.add_column("measure")
    table.add_column("expected", justify="right")
    table.add_column("found", justify="right")
    table.add_column("met", justify="center")
    for row in card.rows:
        table.add_row(row.measure, row.expected, row.found, "[green]yes[/]" if row.met else "[bold red]NO[/]")
    console.print(table)


def scorecard(
    chain: Chain,
    injected: Injected,
    tables: Mapping[str, pa.Table],
    status_lines: Mapping[str, int],
    set_aside_by_reason: Mapping[str, int],
    *,
    goals: Goals | None = None,
    settings: Settings | None = None,
) -> Scorecard:
    """Compare the platform's tables with the truth.

    Args:
        chain: the truth.
        injected: the account of the files that the platform was given.
        tables: the tables named in `TABLES`, with the columns of `model.tables`.
        status_lines: `in`, `clean`, `set_aside` and `duplicates`, as `emma status` counts them.
        set_aside_by_reason: lines by reason, likewise.
        goals: what the forecasts and prices must reach.
        settings: those that the platform worked with; the defaults when left out.

    Raises:
        KeyError: a table is missing.
    """
    missing = [name for name in TABLES if name not in tables]
    if missing:
        raise KeyError(f"the scorecard lacks {', '.join(missing)}; pass every table of demo.scorecard.TABLES")
    goals = goals or Goals()
    rules = Guardrails.of(settings or Settings.model_construct())
    return Scorecard((
        *_line_rows(injected, status_lines, set_aside_by_reason),
        *_clean_rows(injected, tables["clean_sales"]),
        *_money_rows(injected, tables),
        *forecast_rows(chain, tables["sales_forecast"], tables["forecast_scores"], goals),
        *elasticity_rows(chain, tables["price_response"], goals),
        *price_rows(chain, tables["price_recommendations"], rules, goals),
    ))  # fmt: skip


def _line_rows(injected: Injected, lines: Mapping[str, int], by_reason: Mapping[str, int]) -> list[Row]:
    rows = [
        Row.exact("sales lines in", injected.lines_in, lines.get("in", 0)),
        Row.exact("lines clean", injected.clean, lines.get("clean", 0)),
        Row.exact("lines set aside", injected.set_aside, lines.get("set_aside", 0)),
        Row.exact("lines dropped as exact duplicates", injected.duplicates, lines.get("duplicates", 0)),
        Row.exact(
            "lines lost (in - clean - set aside - duplicates)",
            0,
            lines.get("in", 0) - sum(lines.get(part, 0) for part in ("clean", "set_aside", "duplicates")),
        ),
    ]
    reasons = [reason for reason in injected.expected if reason != DUPLICATES]
    reasons += sorted(reason for reason, count in by_reason.items() if count and reason not in reasons)
    expected = {reason: injected.expected.get(reason, 0) for reason in reasons}
    return rows + [
        Row.exact(f"set aside: {reason}", count, by_reason.get(reason, 0)) for reason, count in expected.items()
    ]


def _clean_rows(injected: Injected, clean: pa.Table) -> list[Row]:
    returns, unknown = (injected.by_fault[fault.name] for fault, _ in injected.faults if fault.outcome == KEPT)
    return [
        Row.exact("clean_sales: rows", injected.clean, clean.num_rows),
        Row.exact("clean_sales: returns", returns, _count(clean["is_return"])),
        Row.exact("clean_sales: unknown products", unknown, _count(pc.invert(clean["is_known_product"]))),
    ]


def _money_rows(injected: Injected, tables: Mapping[str, pa.Table]) -> list[Row]:
    kpis = tables["product_kpis"]
    by_day = kpis.group_by(["store", "day"]).aggregate([("revenue", "sum"), ("units", "sum")])
    found = {
        (store, day): (revenue, units)
        for store, day, revenue, units in zip(
            *(by_day[name].to_pylist() for name in ("store", "day", "revenue_sum", "units_sum")), strict=True
        )
    }
    truth = {(key.store, key.day): (Decimal(a.cents) / 100, Decimal(a.units)) for key, a in injected.accepted.items()}
    nothing = (Decimal(0), Decimal(0))
    keys = found.keys() | truth.keys()
    wrong = sum(found.get(key, nothing) != truth.get(key, nothing) for key in keys)
    return [
        Row.exact("clean_sales: revenue", injected.revenue, _sum(tables["clean_sales"]["revenue"])),
        Row.exact("product_kpis: revenue", injected.revenue, _sum(kpis["revenue"])),
        Row.exact("product_kpis: units", injected.units, _sum(kpis["units"])),
        Row.exact("product_kpis: store-days with another revenue or units", 0, wrong),
    ]


def _count(flags: pa.ChunkedArray[Any]) -> int:
    return int(pc.sum(flags).as_py() or 0)


def _sum(column: pa.ChunkedArray[Any]) -> Decimal:
    return Decimal(pc.sum(column).as_py() or 0)
