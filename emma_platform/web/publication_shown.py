"""Which publication a page about the data shows, and the names of the stores in it.

Belongs here: the reader a request is answered from. Does not belong here: opening publications (`current`).
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import HTTPException, Request

from emma_platform.model.access import StoreScope
from emma_platform.serving.publication import Publication, ServingError, publications
from emma_platform.serving.reader import Reader
from emma_platform.settings import Settings
from emma_platform.web.current import CurrentReader


@dataclass(frozen=True, slots=True)
class Shown:
    """A request's publication.

    Attributes:
        reader: of the newest publication, or of the one asked for by `?known_on=`.
        known_on: the one that was asked for; None for the newest.
        settings: of the application.
    """

    reader: Reader
    known_on: str | None
    settings: Settings

    def publications(self) -> list[Publication]:
        """Those that can be read, newest first."""
        return publications(self.settings.published)

    def store_names(self, scope: StoreScope) -> dict[str, str]:
        """The stores that may be seen, each with its name where the stores file gives one."""
        rows = self.reader.ask(scope, "stores", "SELECT store, name FROM {rows} WHERE name IS NOT NULL")
        named = {row["store"]: row["name"] for row in rows}
        return {store: named.get(store, store) for store in self.reader.stores(scope)}


def shown(request: Request, known_on: str = "") -> Shown:
    """The dependency of a page over a publication; 404 when it is not kept, or nothing is published yet."""
    current: CurrentReader = request.app.state.current
    try:
        reader = current.known_on(known_on) if known_on else current.newest()
    except ServingError as error:
        raise HTTPException(404, str(error)) from error
    return Shown(reader, known_on or None, request.app.state.settings)
