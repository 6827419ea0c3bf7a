"""What a publication is and how the newest one is found.

Belongs here: the pointer `current.json`, its words and its errors. Does not belong here: what a publication holds
(`contents`), how it is written (`publish`) and how it is read (`reader`).

The pointer is the whole truth: it names the current publication and the earlier ones that are kept. It is replaced by
rename, so a reader meets the old one or the new one, never a part. Any other file in the folder is a leftover. The
pointer also remembers those that were retired a moment ago: whoever has one open still reads its files in the lake.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

POINTER = "current.json"
LINK = "serving.duckdb"
"""A symbolic link to the current file, for tools that open a fixed path."""

GRACE = timedelta(minutes=15)
"""A publication that is no longer kept can be read for this long by those who had it open."""


class ServingError(Exception):
    """What was asked for is not published; the message says what there is, or the remedy."""


class NothingPublishedError(ServingError):
    """There is no publication at all yet."""


@dataclass(frozen=True, slots=True)
class Publication:
    """One state of all tables.

    Attributes:
        id: its name, unique in its folder.
        at: when it was published.
        file: the DuckDB file that holds it.
        versions: the version of each table in the lake; a table that was never written is missing.
        rows: the rows of each table.
        overview: a digest of how its overview was computed and of the columns of where its figures come from.
    """

    id: str
    at: datetime
    file: Path
    versions: Mapping[str, int]
    rows: Mapping[str, int]
    overview: str = ""


@dataclass(frozen=True, slots=True)
class Retired:
    """A publication that is kept no more: the versions it showed, and when another one took its place."""

    versions: Mapping[str, int]
    at: datetime

    def is_read(self, now: datetime) -> bool:
        """Someone may still have it open."""
        return now - self.at < GRACE


def file_name(publication_id: str) -> str:
    """The name of the file that holds a publication."""
    return f"serving-{publication_id}.duckdb"


def publications(published: Path) -> list[Publication]:
    """The publications that can be read, newest first; the lake must keep the versions of all of them.

    Raises:
        ServingError: the pointer is there but cannot be read.
    """
    return _pointed_to(published)[0]


def retired(published: Path) -> list[Retired]:
    """The publications that were retired not long before the newest came, newest first.

    Raises:
        ServingError: the pointer is there but cannot be read.
    """
    return _pointed_to(published)[1]


def shown_versions(published: Path, now: datetime) -> dict[str, set[int]]:
    """For each table the versions that someone may be reading: of every kept publication and those just retired.

    Raises:
        ServingError: the pointer is there but cannot be read.
    """
    kept, gone = _pointed_to(published)
    found: dict[str, set[int]] = {}
    for versions in [*(p.versions for p in kept), *(r.versions for r in gone if r.is_read(now))]:
        for table, version in versions.items():
            found.setdefault(table, set()).add(version)
    return found


def _pointed_to(published: Path) -> tuple[list[Publication], list[Retired]]:
    pointer = published / POINTER
    try:
        text = pointer.read_text(encoding="utf-8")
    except FileNotFoundError:
        return [], []
    try:
        found = json.loads(text)
        kept = [_from_json(entry, published) for entry in [found, *found["earlier"]]]
        gone = [Retired(entry["versions"], datetime.fromisoformat(entry["at"])) for entry in found.get("retired", [])]
    except (ValueError, KeyError, TypeError) as error:
        raise ServingError(
            f"{pointer} does not name a publication ({error!r}); remove it and run `emma update`"
        ) from error
    return kept, gone


def current(published: Path) -> Publication | None:
    """The newest publication, or None when nothing was published yet."""
    return next(iter(publications(published)), None)


def point_to(published: Path, newest: Publication, earlier: list[Publication], gone: Iterable[Retired]) -> None:
    """Make `newest` the current publication, in one rename, and lead the link for BI tools to it."""
    entry = _to_json(newest) | {
        "earlier": [_to_json(publication) for publication in earlier],
        "retired": [{"versions": dict(one.versions), "at": one.at.isoformat()} for one in gone],
    }
    text = json.dumps(entry, ensure_ascii=False, indent=1)
    replace_by(published / POINTER, text.encode())
    lead_link_to(published, newest)


def lead_link_to(published: Path, newest: Publication) -> None:
    """Lead the link for BI tools to the current publication, in one rename; nothing to do when it does already."""
    link, fresh = published / LINK, published / f".{LINK}.partial"
    if link.is_symlink() and link.readlink().name == newest.file.name:
        return
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(newest.file.name)
    fresh.replace(link)
    sync_folder(published)


def replace_by(path: Path, content: bytes) -> None:
    """Put the content in the place of a file: whole or not at all, also after a power cut."""
    fresh = path.with_name(f".{path.name}.partial")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in the folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _to_json(publication: Publication) -> dict[str, Any]:
    return {
        "id": publication.id,
        "at": publication.at.isoformat(),
        "file": publication.file.name,
        "versions": dict(publication.versions),
        "rows": dict(publication.rows),
        "overview": publication.overview,
    }


def _from_json(entry: Mapping[str, Any], published: Path) -> Publication:
    at = datetime.fromisoformat(entry["at"])
    file, overview = published / entry["file"], entry.get("overview", "")
    return Publication(entry["id"], at, file, dict(entry["versions"]), dict(entry["rows"]), overview)
