"""Files dropped into a folder: what is new, a copy of it in the archive, and what it says.

Belongs here: the Source of files. Does not belong here: formats (`tabular`), the mapping (`mapping`) and rows (`rows`,
`reference`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

from emma_platform.sources.archive import archived, copy_into, remember, remembered
from emma_platform.sources.encoding import Limits
from emma_platform.sources.header import kind_by_name
from emma_platform.sources.landing import Found, walk
from emma_platform.sources.mapping import Mapped, read_mapping
from emma_platform.sources.protocol import Delivery, Scan, Sighting, Taken
from emma_platform.sources.reading import read_file
from emma_platform.sources.tabular import ENDINGS, ending_of

_VERSION = 2
"""Raised when the same bytes are read differently than before, so that they are read again."""
_BLOCK_BYTES = 16 << 20
"""A long text is read in blocks of this size: of 2 million lines, 16, 32 and 64 MB took 0.75, 0.83 and 0.89
microseconds a line, and 445, 576 and 697 MB at the peak."""


class FileSource:
    """The files below a folder.

    Args:
        landing: the folder; its subfolders count, their names are part of the files' names.
        archive: where every file that was taken is kept, under its hash.
        sources_file: `sources.yaml`; may be missing.
        quiet_seconds: a file changed less than this ago is left alone, in seconds.
        now_ns: the clock, in nanoseconds since 1970.
        first_day: the first day of the platform.
        max_line_bytes: the longest line of a text file, in bytes.
        block_bytes: how much of a text file is read at once, in bytes.
    """

    def __init__(
        self,
        landing: Path,
        archive: Path,
        sources_file: Path,
        *,
        quiet_seconds: float,
        now_ns: Callable[[], int],
        first_day: date,
        max_line_bytes: int,
        block_bytes: int = _BLOCK_BYTES,
    ) -> None:
        self._landing = landing
        self._archive = archive
        self._sources_file = sources_file
        self._quiet_ns = int(quiet_seconds * 1e9)
        self._now_ns = now_ns
        self._first_day = first_day
        self._limits = Limits(block_bytes=block_bytes, max_line_bytes=max_line_bytes)
        self._mapped: tuple[tuple[int, int] | None, Mapped] | None = None

    def scan(self, known: Mapping[str, Sighting]) -> Scan:
        """Files new or differ in size or time from those known, by name, and those left alone, with the reason.

        Raises:
            SourceError: the landing folder is missing.
        """
        now = self._now_ns()
        ready, waiting, present, growing = [], {}, set(), []
        closed = None
        for found in walk(self._landing):
            if found.is_folder:
                closed = f"{found.name} {found.trouble}"
            else:
                present.add(found.name)
            seen = known.get(found.name)
            if found.trouble is None and seen and (seen.size, seen.mtime_ns) == (found.size, found.mtime_ns):
                continue
            if reason := found.trouble or _foreign(found.name):
                waiting[found.name] = reason
            elif (left := self._quiet_left(found, now)) > 0:
                waiting[found.name] = "still growing"
                growing.append(left)
            else:
                ready.append(Sighting(found.name, found.size, found.mtime_ns))
        ready.sort(key=lambda sighting: sighting.name)
        return Scan(ready, waiting, present, closed, min(growing) if growing else None)

    def take(self, sighting: Sighting, today: date) -> Taken:
        """Copy a file into the archive and hash it on the way.

        Raises:
            SourceError: it changed, vanished or cannot be read or kept; the archive is as before.
        """
        sha256 = copy_into(self._archive, self._landing / sighting.name, sighting)
        return Taken(sighting.name, sighting.size, sighting.mtime_ns, sha256, today)

    def secure(self, taken: Sequence[Taken]) -> None:
        """List files that could be read, from which a lost ledger is made again, and bring all to the disk.

        Called before they count; one wait for many files, not 2 ms for each.

        Raises:
            SourceError: the list cannot be written.
        """
        remember(self._archive, taken)
        os.sync()

    def archived(self) -> list[Taken]:
        """Every file that was ever read, as it was when that last went well, by name."""
        return remembered(self._archive)

    def read(self, taken: Taken, zones: Mapping[str, str]) -> Iterator[Delivery]:
        """The rows of an archived file, in pieces of bounded memory.

        Raises:
            SourceError: it cannot be read; names the file, the line where known, and the remedy.
        """
        path = archived(self._archive, taken.sha256)
        entry = self._mapping().entry(taken.name)
        yield from read_file(path, taken, entry, zones, first_day=self._first_day, limits=self._limits)

    def description(self, name: str) -> str:
        """A digest of all that decides how a file of this name is read, besides its bytes and the stores' time zones.

        Raises:
            SourceError: sources.yaml is not valid.
        """
        entry = self._mapping().entry(name)
        named = f"{ending_of(name)} {None if entry else kind_by_name(name)}"
        said = f"{_VERSION} {self._first_day} {self._limits} {named} {entry.digest() if entry else ''}"
        return hashlib.sha256(said.encode()).hexdigest()

    def _mapping(self) -> Mapped:
        """The entries of sources.yaml, read again when the file has changed."""
        try:
            status = self._sources_file.stat()
            state = (status.st_size, status.st_mtime_ns)
        except OSError:
            state = None
        if self._mapped is None or self._mapped[0] != state:
            self._mapped = (state, read_mapping(self._sources_file))
        return self._mapped[1]

    def _quiet_left(self, found: Found, now: int) -> float:
        """Seconds that a file must still lie unchanged."""
        changed = found.mtime_ns if found.mtime_ns <= now else found.ctime_ns
        return (self._quiet_ns - (now - changed)) / 1e9


def _foreign(name: str) -> str | None:
    """Why a file of this name is never read, or none."""
    return None if ending_of(name) else f"unknown ending; give it one of {', '.join(ENDINGS)}"
