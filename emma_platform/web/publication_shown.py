"""Which publication a page shows, and the names in it.

Belongs here: the reader a request is answered from, and the few names that every page needs. Does not belong here:
opening publications (`current`) and the figures of a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from emma_platform.model.access import StoreScope
from emma_platform.serving.publication import POINTER, Publication, publications
from emma_platform.serving.reader import Reader
from emma_platform.settings import Settings
from emma_platform.web.current import CurrentReader


@dataclass(frozen=True, slots=True)
class Shown:
    """A request's publication.

    Attributes:
        reader: of the newest publication, or of the one asked for.
        known_on: the earlier publication that was asked for by `?known_on=`; None for the newest.
        settings: of the application.
    """

    reader: Reader
    known_on: str | None
    settings: Settings

    def publications(self) -> tuple[Publication, ...]:
        """Those that can be read, newest first."""
        published = self.settings.published
        try:
            found = (published / POINTER).stat()
        except FileNotFoundError:
            return ()
        return _publications(published, (found.st_ino, found.st_mtime_ns, found.st_size))

    def store_names(self, scope: StoreScope) -> dict[str, str]:
        """The stores that may be seen, each with its name where the stores file gives one."""
        named = self.reader.store_names(scope)
        return {store: named.get(store, store) for store in self.reader.stores(scope)}

    def store_name(self, store: str) -> str:
        """The name of a store that may be seen."""
        return self.reader.store_names(StoreScope.of(store)).get(store, store)


async def shown_here(request: Request, known_on: str | None = None) -> Shown:
    """The dependency of a page: `shown: Annotated[Shown, Depends(shown_here)]`; opens what is not open in a thread.

    Raises:
        ServingError: nothing is published yet, or the publication is not kept.
    """
    current: CurrentReader = request.app.state.current
    if known_on or not current.is_open:
        return await run_in_threadpool(shown, request, known_on)
    return shown(request)


def shown(request: Request, known_on: str | None = None) -> Shown:
    """What a request shows, noted with it for the log.

    Raises:
        ServingError: nothing is published yet, or the publication is not kept.
    """
    current: CurrentReader = request.app.state.current
    known_on = known_on or None
    reader = current.newest() if known_on is None else current.known_on(known_on)
    request.state.publication = reader.publication.id
    return Shown(reader, known_on, request.app.state.settings)


@lru_cache(maxsize=8)
def _publications(published: Path, pointer: tuple[int, int, int]) -> tuple[Publication, ...]:  # noqa: ARG001 - its state
    """What the pointer names, read again when it is another file: it is replaced, never written in."""
    return tuple(publications(published))
