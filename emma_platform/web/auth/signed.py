"""Who asks: what a route knows of the person or program behind a request.

Belongs here: the answer and the dependency that routes declare. Does not belong here: how it is found out (`sessions`,
`tokens`) and what happens to those who may not (`errors`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Request

from emma_platform.model.access import Permission, Role, StoreScope


@dataclass(frozen=True, slots=True)
class Signed:
    """Somebody who is signed in, by session or token.

    Attributes:
        user: the user's number.
        name: the user's sign-in name.
        role: the role that applies; with `viewed_by`, that of whom is looked through.
        permissions: what this request may do: the role's, less what a token or `view as` leaves out.
        scope: the stores whose rows may be seen.
        session: the session's number; None with a token.
        viewed_by: the owner's name who looks with this user's eyes; None otherwise.
        seen: the publication that the user has looked at; None before the first, and with a token.
    """

    user: int
    name: str
    role: Role
    permissions: frozenset[Permission]
    scope: StoreScope
    session: int | None = None
    viewed_by: str | None = None
    seen: str | None = None


class SignInNeededError(Exception):
    """Nobody is signed in; a page sends to the sign-in, the API answers 401."""


class ConfirmNeededError(Exception):
    """Who is signed in has to prove once more who they are: it was too long ago for what they want to do."""


class NotAllowedError(Exception):
    """Who is signed in may not do this; 403, and it is written to the audit log."""


def permit(request: Request, permission: Permission) -> Signed:
    """Who asks, who may do this.

    Raises:
        SignInNeededError: nobody is signed in.
        NotAllowedError: who is signed in may not.
    """
    found: Signed | None = getattr(request.state, "signed", None)
    if found is None:
        raise SignInNeededError
    if permission not in found.permissions:
        raise NotAllowedError(permission)
    return found


def require(permission: Permission) -> Callable[[Request], Awaitable[Signed]]:
    """The dependency of a route: `signed: Annotated[Signed, Depends(require(Permission.READ))]`."""

    # Not for waiting: FastAPI sends what is no coroutine through a thread and back, which costs more than the look.
    async def signed(request: Request) -> Signed:
        return permit(request, permission)

    return signed
