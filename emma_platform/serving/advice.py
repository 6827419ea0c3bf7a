"""Price advice and what people decide on it: what is open, what was decided, and deciding.

Belongs here: reading the advice beside its decisions, refusing what cannot be decided. Does not belong here: the files
of decisions (`decision_files`), and what came of a decision (`advice_account`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.model.access import StoreScope
from emma_platform.model.advice import ADVICE_DECISIONS
from emma_platform.serving.contents import PRODUCT_OVERVIEW
from emma_platform.serving.decision_files import since, write
from emma_platform.serving.publication import ServingError
from emma_platform.serving.reader import Reader
from emma_platform.settings import Settings

_CENTS = Decimal("0.0001")
_UPLIFT = ("expected_profit_uplift_p10", "expected_profit_uplift_p50", "expected_profit_uplift_p90")
_COLUMNS = (
    "store", "product", "name", "recommendation_made_on", "status", "current_price", "recommended_price", "unit_cost",
    *_UPLIFT, "recommendation_reason",
)  # fmt: skip


class AdviceError(ServingError):
    """This cannot be decided; the message says why and what can be done."""


@dataclass(frozen=True, slots=True)
class Decided:
    """The last decision on an advice.

    Attributes:
        decision: accept, change or decline.
        price: currency per unit; None when declined.
        at: when.
        by, reason: who decided and why, if said.
        waiting: its file is not published yet.
    """

    decision: str
    price: Decimal | None
    at: datetime
    by: str | None
    reason: str | None
    waiting: bool


@dataclass(frozen=True, slots=True)
class Advice:
    """The newest price advice for a product in a store, and the last decision on the very same advice.

    Attributes:
        made_on: the last day that was known.
        status: recommend, hold, explore or blocked.
        current_price, recommended_price, unit_cost: currency per unit.
        uplift: profit gained over 28 days, p10, p50, p90; None where nothing is recommended.
        reason: in words.
        decided: None while it is open; advice of another price, or from another price, is open again.
    """

    store: str
    product: str
    name: str | None
    made_on: date
    status: str
    current_price: Decimal | None
    recommended_price: Decimal | None
    unit_cost: Decimal | None
    uplift: tuple[float, float, float] | None
    reason: str
    decided: Decided | None

    @property
    def is_open(self) -> bool:
        """A price is recommended and nothing was decided on it."""
        return self.status == "recommend" and self.decided is None


def all_advice(reader: Reader, scope: StoreScope, landing: Path, *, store: str | None = None) -> list[Advice]:
    """The advice for all products of a store or of all in the scope, the largest expected gain first.

    Raises:
        ServingError: there is no such store.
    """
    rows = reader.table(scope, PRODUCT_OVERVIEW.name, stores=None if store is None else [store], columns=_COLUMNS)
    found = _with_decisions(reader, scope, landing, rows.to_pylist(), store)
    return sorted(found, key=lambda one: (-(one.uplift[1] if one.uplift else 0.0), one.store, one.product))


def advice_for(
    reader: Reader,
    scope: StoreScope,
    landing: Path,
    store: str,
    product: str,
    *,
    row: Mapping[str, Any] | None = None,
) -> Advice:
    """The advice for one product in one store.

    Args:
        reader: the publication.
        scope: the stores that may be seen.
        landing: where decisions wait that are not published yet.
        store: the store.
        product: the product's code.
        row: the product's, of `product_overview`, where it is read already.

    Raises:
        ServingError: there is no such store.
        AdviceError: there is no advice for this product there.
    """
    rows = [row] if row is not None else _read(reader, scope, store, product)
    found = _with_decisions(reader, scope, landing, rows, store)
    if not found:
        raise AdviceError(
            f"there is no advice for product {product!r} in store {store!r}; "
            "`emma export price_recommendations` lists all"
        )
    return found[0]


def decide(
    reader: Reader,
    scope: StoreScope,
    settings: Settings,
    store: str,
    product: str,
    decision: str,
    *,
    now: datetime,
    price: Decimal | None = None,
    reason: str | None = None,
    decided_by: str | None = None,
    publication: str | None = None,
) -> Advice:
    """Decide on the advice for a product: a file in landing, which the next batch takes.

    Deciding the same again changes nothing; deciding otherwise replaces what was decided.

    Args:
        reader: of the newest publication.
        scope: the stores that may be seen.
        settings: where landing is, and the guardrails that another price is held against.
        store: the store.
        product: the product's code.
        decision: accept, change or decline.
        now: the time of the decision, with its time zone.
        price: the price to charge, with change.
        reason: why; with decline, and with a price outside the guardrails, it must be said.
        decided_by: who decides.
        publication: the one that the person looked at; the advice must still be what it said.

    Returns:
        The advice with the decision on it.

    Raises:
        ServingError: there is no such store, or the publication is not kept any more.
        AdviceError: there is no such advice, it has changed, or the decision is not complete.
    """
    advice = advice_for(reader, scope, settings.landing, store, product)
    if publication is not None and publication != reader.publication.id:
        _check_same(advice, advice_for(reader.open(publication), scope, settings.landing, store, product), publication)
    chosen = _price(advice, decision, price, reason, settings)
    made = Decided(decision, chosen, now, decided_by, reason, waiting=True)
    before = advice.decided
    if before is None or (before.decision, before.price) != (made.decision, made.price):
        write(settings.landing, _row(advice, made, publication or reader.publication.id))
        before = made
    return replace(advice, decided=before)


def _check_same(now: Advice, then: Advice, publication: str) -> None:
    if _terms(now) != _terms(then):
        raise AdviceError(
            f"the advice for {now.product} in {now.store} has changed since publication {publication}: "
            f"then {_said(then)}, now {_said(now)}. Look at it again"
        )


def _terms(advice: Advice) -> tuple[object, ...]:
    return advice.status, advice.current_price, advice.recommended_price


def _said(advice: Advice) -> str:
    return f"{advice.status} {advice.recommended_price or ''}".strip() + f" (price {advice.current_price or 'unknown'})"


def _price(
    advice: Advice, decision: str, price: Decimal | None, reason: str | None, settings: Settings
) -> Decimal | None:
    """The price decided on, seen to be complete."""
    if decision == "decline":
        if not reason:
            raise AdviceError("say why it is declined, as its reason; it is what the advice can be made better by")
        return None
    if decision == "accept":
        if advice.status != "recommend" or advice.recommended_price is None:
            raise AdviceError(
                f"for {advice.product} in {advice.store} nothing is recommended ({advice.status}): {advice.reason} "
                "To charge another price all the same, decide to change it"
            )
        return advice.recommended_price
    if price is None or price <= 0:
        raise AdviceError("say which price is to be charged, above zero")
    outside = _outside(advice, price, settings)
    if outside and not reason:
        raise AdviceError(f"{price} {' and '.join(outside)}; if it is meant so, give a reason")
    return price.quantize(_CENTS)


def _outside(advice: Advice, price: Decimal, settings: Settings) -> list[str]:
    """The guardrails that a price does not keep, in words."""
    found = []
    if advice.current_price:
        step = abs(price / advice.current_price - 1) * 100
        if step > Decimal(str(settings.largest_step_pct)):
            found.append(
                f"is {step:.0f} % from today's {advice.current_price} (at most {settings.largest_step_pct:g} %)"
            )
    if advice.unit_cost is not None:
        margin = (1 - advice.unit_cost / price) * 100
        if margin < Decimal(str(settings.minimum_margin_pct)):
            found.append(f"leaves a margin of {margin:.0f} % (at least {settings.minimum_margin_pct:g} %)")
    return found


def _read(reader: Reader, scope: StoreScope, store: str, product: str) -> list[dict[str, Any]]:
    rows = reader.table(scope, PRODUCT_OVERVIEW.name, stores=[store], columns=_COLUMNS)
    found: list[dict[str, Any]] = rows.filter(pc.equal(rows["product"], pa.scalar(product))).to_pylist()
    return found


def _with_decisions(
    reader: Reader, scope: StoreScope, landing: Path, rows: Iterable[Mapping[str, Any]], store: str | None
) -> list[Advice]:
    decisions = _decisions(reader, scope, landing, store)
    return [
        _advice(row, decisions.get((row["store"], row["product"])))
        for row in rows
        if row["recommendation_made_on"] is not None
    ]


def _advice(row: Mapping[str, Any], decided: dict[str, Any] | None) -> Advice:
    uplift = tuple(row[name] for name in _UPLIFT)
    current, recommended = _exact(row["current_price"]), _exact(row["recommended_price"])
    on_this = decided is not None and (_exact(decided["current_price"]), _exact(decided["recommended_price"])) == (
        current, recommended,
    )  # fmt: skip
    return Advice(
        store=row["store"],
        product=row["product"],
        name=row["name"],
        made_on=row["recommendation_made_on"],
        status=row["status"],
        current_price=current,
        recommended_price=recommended,
        unit_cost=_exact(row["unit_cost"]),
        uplift=None if None in uplift or row["status"] != "recommend" else uplift,
        reason=row["recommendation_reason"],
        decided=_decided(decided) if decided is not None and on_this else None,
    )


def _decided(row: dict[str, Any]) -> Decided:
    return Decided(
        row["decision"], _exact(row["price"]), row["decided_at"], row["decided_by"], row["reason"], row["waiting"]
    )


def _exact(value: float | Decimal | None) -> Decimal | None:
    return None if value is None else Decimal(str(value)).quantize(_CENTS)


def _decisions(
    reader: Reader, scope: StoreScope, landing: Path, store: str | None
) -> dict[tuple[str, str], dict[str, Any]]:
    """The last decision on each product, published or waiting in landing."""
    rows: list[dict[str, Any]] = []
    if reader.publication.rows.get(ADVICE_DECISIONS.name):
        published = reader.table(scope, ADVICE_DECISIONS.name, stores=None if store is None else [store])
        rows = [{**row, "waiting": False} for row in published.to_pylist()]
    known = {_identity(row) for row in rows}
    rows += [{**row, "waiting": True} for row in since(landing, reader.publication.at) if _identity(row) not in known]
    return {(row["store"], row["product"]): row for row in sorted(rows, key=lambda row: row["decided_at"])}


def _identity(row: dict[str, Any]) -> tuple[object, ...]:
    return row["store"], row["product"], row["decided_at"]


def _row(advice: Advice, made: Decided, publication: str) -> dict[str, object]:
    return {
        "decided_at": made.at.isoformat(timespec="microseconds"),
        "store": advice.store,
        "product": advice.product,
        "made_on": advice.made_on.isoformat(),
        "decision": made.decision,
        "price": made.price,
        "reason": made.reason,
        "decided_by": made.by,
        "publication": publication,
        "current_price": advice.current_price,
        "recommended_price": advice.recommended_price,
        "unit_cost": advice.unit_cost,
        **dict(zip(_UPLIFT, (f"{value:.2f}" for value in advice.uplift or ()), strict=False)),
    }
