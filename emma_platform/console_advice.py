"""How `emma advise` shows advice, decisions and their account.

Belongs here: the look of these tables, and their JSON. Does not belong here: the values (`serving.advice`,
`serving.advice_account`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from emma_platform.serving.advice import Advice
    from emma_platform.serving.advice_account import Account, Amount
    from emma_platform.serving.experiments import Experiment

_MOST = 25
_DECIDED = {"accept": "accepted", "change": "changed", "decline": "declined"}
_OUTCOMES = {
    "measured": "measured",
    "too_early": "too early to tell",
    "price_not_changed": "the price was never charged",
    "reversed": "taken back too soon",
    "replaced": "decided again",
    "no_control": "nothing to compare with",
    "not_known": "cannot be valued",
    "declined": "declined",
}


def show_advice(to: Console, found: Sequence[Advice], publication: str) -> None:
    """A row for each advice, and how to decide on it."""
    if not found:
        to.print("No advice waits for a decision; --all also lists what is decided.")
        return
    table = Table("store", "product", "now", "advised", "why, or what was decided")
    for column in table.columns[2:4]:
        column.justify = "right"
    for one in found[:_MOST]:
        product = f"{one.product} {one.name or ''}".strip()
        why = one.reason if one.decided is None else _decision(one)
        prices = (price(one.current_price), price(one.recommended_price))
        table.add_row(escape(one.store), escape(product), *prices, escape(why))
    to.print(table)
    if len(found) > _MOST:
        to.print(f"  … and {len(found) - _MOST:,} more; --json lists all", highlight=False)
    how = "To decide: `emma advise accept STORE PRODUCT`, `change` or `decline`."
    to.print(f"[dim]From publication {publication}. {how}[/]", highlight=False, soft_wrap=True)


def show_tests(to: Console, tests: Sequence[Experiment]) -> None:
    """A sentence for each price test; nothing without any."""
    if not tests:
        return
    to.print(f"{len(tests):,} price test{'s' if len(tests) > 1 else ''} would show what nobody knows yet:")
    for one in tests[:_MOST]:
        to.print(
            f"  {escape(one.product)}: charge {one.test_price:.2f} instead of {one.current_price:.2f} in"
            f" {escape(one.store)} for {one.days // 7} weeks while {escape(one.control)} keeps its price; it costs at"
            f" most {one.cost_at_most:,.2f} a week and tells what to charge with a chance of"
            f" {min(one.chance, 0.99):.0%}.",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    if len(tests) > _MOST:
        to.print(f"  … and {len(tests) - _MOST:,} more; --json lists all", highlight=False)


def advice_json(found: Sequence[Advice], tests: Sequence[Experiment], publication: str) -> dict[str, Any]:
    """The publication, its advice and its price tests, as JSON can hold it."""
    return {
        "publication": publication,
        "advice": [_plain(asdict(one)) for one in found],
        "tests": [asdict(one) for one in tests],
    }


def show_decided(to: Console, advice: Advice) -> None:
    """One sentence: what was decided, and when it takes effect."""
    waiting = advice.decided is not None and advice.decided.waiting
    next_step = "The next `emma update` takes it." if waiting else "This is what was decided before; nothing changes."
    to.print(
        f"{escape(advice.store)}, {escape(advice.product)}: {escape(_decision(advice))}. {next_step}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip


def show_account(to: Console, account: Account) -> None:
    """Promised against delivered in a sentence, how the decisions stand, and the newest of them."""
    if not account.effects:
        to.print("No decision on price advice yet: `emma advise list` shows what waits for one.")
        return
    if account.measured:
        to.print(
            f"[bold]Promised {account.promised.p50:+,.2f} a week, delivered {_amount(account.delivered)}[/]"
            f" by {account.measured:,} accepted advice{'s' if account.measured > 1 else ''} whose effect is measured",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    decided = ", ".join(f"{count:,} {_DECIDED[name]}" for name, count in sorted(account.decisions.items()))
    states = ", ".join(f"{count:,} {_OUTCOMES[name]}" for name, count in sorted(account.outcomes.items()))
    to.print(f"Decisions: {decided}. Their effects: {states}.", highlight=False, soft_wrap=True)
    table = Table("decided", "store", "product", "promised a week", "delivered a week (80 %)", "what came of it")
    for column in table.columns[3:5]:
        column.justify = "right"
    for row in reversed(account.effects[-_MOST:]):
        promised = "" if row["promised_p50"] is None else f"{row['promised_p50']:+,.2f}"
        delivered = "" if row["delivered_p50"] is None else (
            f"{row['delivered_p50']:+,.2f} ({row['delivered_p10']:+,.2f} to {row['delivered_p90']:+,.2f})"
        )  # fmt: skip
        names = escape(row["store"]), escape(row["product"])
        table.add_row(f"{row['decided_at']:%Y-%m-%d}", *names, promised, delivered, escape(row["reason"]))
    to.print(table)
    if len(account.effects) > _MOST:
        to.print(f"  … and {len(account.effects) - _MOST:,} earlier ones; --json lists all", highlight=False)


def price(value: Decimal | None) -> str:
    """A price with at least two decimals, and no more than it has."""
    if value is None:
        return ""
    return f"{value:,.2f}" if value == round(value, 2) else f"{value.normalize():,f}"


def _decision(advice: Advice) -> str:
    made = advice.decided
    if made is None:
        return "open"
    at = f" {price(made.price)}" if made.price is not None else ""
    why = f": {made.reason}" if made.reason else ""
    return f"{_DECIDED[made.decision]}{at} on {made.at:%Y-%m-%d}{f' by {made.by}' if made.by else ''}{why}"


def _amount(amount: Amount) -> str:
    return f"{amount.p50:+,.2f} ({amount.p10:+,.2f} to {amount.p90:+,.2f})"


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a dataclass holds
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
