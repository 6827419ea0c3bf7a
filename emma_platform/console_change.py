"""How `emma why` shows a change: the parts, the largest first, in words.

Belongs here: the look of that table. Does not belong here: the amounts (`serving.changes`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from emma_platform.model.parts import PARTS

if TYPE_CHECKING:
    from emma_platform.serving.changes import Change

_MOST_ROWS = 25
_MOST_PARTS = 3


def show_change(to: Console, change: Change) -> None:
    """The sentence, the parts that sum to it, and the same by store, category or product if that was asked."""
    before, after, parts = change.shown()
    percent = f" ({_signed((after - before) / abs(before) * 100, 1)} %)" if before else ""
    name = change.kpi.replace("_", " ").capitalize()
    to.print(
        f"[bold]{name}[/] {before:,} → {after:,}: [bold]{_signed(after - before)}[/]{percent}\n"
        f"{change.second}, against {change.first}",
        highlight=False,
    )
    table = Table(box=None, padding=(0, 2), show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    for part, amount in parts:
        table.add_row(part.label, _signed(amount), part.meaning)
    table.add_section()
    table.add_row("[bold]Change", f"[bold]{_signed(after - before)}", "the sum of the parts")
    to.print(table)
    if change.by:
        _show_rows(to, change, change.by)
    for note in change.notes():
        to.print(f"[dim]{note}[/]", highlight=False, soft_wrap=True)


def _show_rows(to: Console, change: Change, by: str) -> None:
    table = Table(by, "before", "after", "change", "mostly")
    for column in table.columns[1:4]:
        column.justify = "right"
    for row in change.rows.slice(0, _MOST_ROWS).to_pylist():
        parts = sorted(((part, row[part.name]) for part in PARTS if row[part.name]), key=lambda pair: -abs(pair[1]))
        mostly = ", ".join(f"{part.label.lower()} {_signed(amount, 0)}" for part, amount in parts[:_MOST_PARTS])
        label = "(none)" if row[by] is None else f"{row[by]} {row.get('name') or ''}".strip()
        table.add_row(escape(label), f"{row['before']:,.2f}", f"{row['after']:,.2f}", _signed(row["change"], 2), mostly)
    to.print(table)
    if change.rows.num_rows > _MOST_ROWS:
        to.print(f"  … and {change.rows.num_rows - _MOST_ROWS:,} more; --json lists all", highlight=False)


def _signed(amount: Decimal, places: int | None = None) -> str:
    return f"{amount:+,}" if places is None else f"{amount:+,.{places}f}"
