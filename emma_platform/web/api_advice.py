"""Price advice in the API: what waits, and deciding, as `emma advise` does.

Belongs here: these two routes. Does not belong here: what may be decided (`serving.advice`).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from emma_platform.model.access import Permission
from emma_platform.serving.advice import Advice, all_advice
from emma_platform.web import api_queries as queries
from emma_platform.web.api import PREFIX
from emma_platform.web.api_request import ApiRoute, read
from emma_platform.web.auth.signed import Signed, require
from emma_platform.web.deciding import decide_as
from emma_platform.web.downloads import to_json

router = APIRouter(prefix=PREFIX, route_class=ApiRoute, tags=["advice"])


@router.get("/advice", summary="Price advice, the largest expected gain first, with what was decided on it")
def advice(
    request: Request,
    signed: Annotated[Signed, Depends(require(Permission.EXPORT))],
    asked: Annotated[queries.Listed, Query()],
) -> Response:
    """What waits for a decision, or everything. Decisions that no batch has taken yet are among it."""
    reader = read(request, signed, asked.known_on).reader
    found = all_advice(reader, signed.scope, request.app.state.settings.landing, store=asked.store)
    shown = [_plain(one) for one in found if one.is_open or not asked.waiting]
    return Response(to_json({"publication": reader.publication.id, "advice": shown}), media_type="application/json")


@router.post("/advice", summary="Accept, change or decline the advice for a product in a store")
def decided(
    request: Request, signed: Annotated[Signed, Depends(require(Permission.DECIDE))], made: queries.Decision
) -> Response:
    """The advice with the decision on it, which the next batch takes. Deciding the same again changes nothing."""
    reader = read(request, signed, "").reader
    one = decide_as(
        request, signed, reader, made.store, made.product, made.decision, price=made.price, reason=made.reason,
        publication=made.publication or None,
    )  # fmt: skip
    return Response(to_json(_plain(one)), media_type="application/json")


def _plain(one: Advice) -> dict[str, Any]:
    return asdict(one) | {"is_open": one.is_open}
