"""What every route of the API shares: the publication it answers from, its ETag, and its errors.

Belongs here: the dependency and the route class of the API. Does not belong here: any route (`api`, `api_advice`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import Response

from emma_platform.serving.advice import AdviceError
from emma_platform.serving.publication import ServingError
from emma_platform.serving.reader import Reader
from emma_platform.web.auth.signed import Signed
from emma_platform.web.current import CurrentReader
from emma_platform.web.downloads import to_json
from emma_platform.web.errors import problem

PROBLEM = "application/problem+json"


class ApiRoute(APIRoute):
    """A route whose errors are problem details (RFC 9457), and whose answers a client may hold against an ETag."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, its errors said."""
        handle = super().get_route_handler()

        async def said(request: Request) -> Response:
            try:
                return await handle(request)
            except AdviceError as error:
                return problem(409, str(error))
            except ServingError as error:
                return problem(404 if self.param_convertors else 400, str(error))
            except RequestValidationError as error:
                return problem(422, "; ".join(map(_wrong, error.errors())))

        return said


@dataclass(frozen=True, slots=True)
class Read:
    """What a read is answered from.

    Attributes:
        reader: of the newest publication, or of the one that is asked for.
        etag: the same for the same question to the same publication within the same scope.
        known: the client holds this very answer already.
    """

    reader: Reader
    etag: str
    known: bool

    def not_modified(self) -> Response:
        """The answer that says so."""
        return Response(status_code=304, headers={"etag": self.etag})

    def json(self, value: object) -> Response:
        """An answer in JSON."""
        return Response(to_json(value), media_type="application/json", headers={"etag": self.etag})


def read(request: Request, signed: Signed, known_on: str) -> Read:
    """The publication of a read.

    Raises:
        ServingError: nothing is published yet, or the publication is not kept.
    """
    current: CurrentReader = request.app.state.current
    reader = current.known_on(known_on) if known_on else current.newest()
    request.state.publication = reader.publication.id
    scope = sorted(signed.scope.stores) if signed.scope.stores is not None else None
    asked = (reader.publication.id, scope, request.url.path, request.url.query, request.headers.get("accept"))
    etag = f'W/"{hashlib.blake2b(repr(asked).encode(), digest_size=16).hexdigest()}"'
    held = {one.strip() for one in request.headers.get("if-none-match", "").split(",")}
    return Read(reader, etag, etag in held)


def _wrong(error: Any) -> str:  # noqa: ANN401 - pydantic's error, a mapping
    where = ".".join(str(part) for part in error["loc"])
    return f"{where}: {error['msg']}"
