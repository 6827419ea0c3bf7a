"""Deciding on price advice as who is signed in: the decision, and its line in the audit log.

Belongs here: what pages and API share. Does not belong here: what may be decided (`serving.advice`) and how it is asked
for (`pages`, `api_advice`).
"""

from __future__ import annotations

from decimal import Decimal

from fastapi import Request

from emma_platform.serving.advice import Advice, decide
from emma_platform.serving.reader import Reader
from emma_platform.web.auth.audit import Event
from emma_platform.web.auth.signed import Signed
from emma_platform.web.auth.state import auth_of, log


def decide_as(
    request: Request,
    signed: Signed,
    reader: Reader,
    store: str,
    product: str,
    decision: str,
    *,
    price: Decimal | None,
    reason: str | None,
    publication: str | None,
) -> Advice:
    """Decide as `serving.advice.decide` does, in the name of who is signed in.

    Raises:
        AdviceError: it cannot be decided so.
    """
    auth = auth_of(request)
    one = decide(
        reader, signed.scope, request.app.state.settings, store, product, decision, now=auth.clock(), price=price,
        reason=reason, decided_by=signed.name, publication=publication,
    )  # fmt: skip
    with auth.database.writing() as connection:
        detail = decision if price is None else f"{decision} to {price}"
        log(request, connection, Event.DECIDED, subject=f"{product} in {store}", detail=detail)
    return one
