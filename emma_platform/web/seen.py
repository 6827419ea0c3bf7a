"""Which publication a user has looked at: what changed is told since then.

Belongs here: keeping it with the user, and finding what to compare with. Does not belong here: what changed
(`page_changes`) and where it is shown (`provenance_pages`).

It moves on when somebody says so or leaves the page of what changed, not while they read it; and never backwards.
"""

from __future__ import annotations

from fastapi import Request

from emma_platform.serving.publication import Publication, ServingError
from emma_platform.web.auth import users
from emma_platform.web.auth.signed import Signed
from emma_platform.web.auth.state import auth_of
from emma_platform.web.page_changes import earlier_ones
from emma_platform.web.publication_shown import Shown


def is_new(signed: Signed, shown: Shown) -> bool:
    """They look at a publication for the first time."""
    return signed.seen is None and shown.known_on is None and _is_own(signed)


def begin(request: Request, signed: Signed, shown: Shown) -> None:
    """Whoever is here for the first time has seen what is there now."""
    if is_new(signed, shown):
        _keep(request, signed, shown.reader.publication.id)


def move_on(request: Request, signed: Signed, shown: Shown, publication_id: str) -> None:
    """Keep that a user has looked at a publication; what is older than what they have seen changes nothing.

    Raises:
        ServingError: it is not kept.
    """
    at = {one.id: one.at for one in shown.publications()}
    if publication_id not in at:
        raise ServingError(f"there is no publication {publication_id!r} any more")
    if signed.seen not in at or at[signed.seen] < at[publication_id]:
        _keep(request, signed, publication_id)


def last_seen(signed: Signed, shown: Shown) -> Publication | None:
    """The publication to tell changes since: the last one seen, or the oldest that is kept where that is gone.

    None when there is nothing that the user has not seen.
    """
    earlier = earlier_ones(shown)
    if signed.seen in {None, shown.reader.publication.id} or shown.known_on or not earlier:
        return None
    return next((one for one in earlier if one.id == signed.seen), earlier[-1])


def _is_own(signed: Signed) -> bool:
    return signed.session is not None and signed.viewed_by is None


def _keep(request: Request, signed: Signed, publication_id: str) -> None:
    with auth_of(request).database.writing() as connection:
        users.see(connection, signed.user, publication_id)
