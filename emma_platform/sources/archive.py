"""The archive: every file that was taken, once, under the hash of its bytes.

Belongs here: copying whole or not at all. Does not belong here: which files are taken (`files`).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from emma_platform.sources.protocol import Sighting, SourceError, Taken

_CHUNK = 1 << 20
NAMES = "names.jsonl"
"""A line for each file that was taken, the newest last."""


def archived(archive: Path, sha256: str) -> Path:
    """Where the bytes of this hash are kept."""
    return archive / sha256[:2] / sha256


def copy_into(archive: Path, path: Path, sighting: Sighting) -> str:
    """Copy a file into the archive with its time, unless its bytes are there already; the hash of its bytes.

    Raises:
        SourceError: it changed, vanished or cannot be read, or the archive cannot be written; nothing is left over.
    """
    part = archive / f".{uuid4().hex}.part"
    try:
        archive.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as source:
            with part.open("xb") as target:
                sha256, size = _copy(source, target)
            after = path.stat()
        if (size, after.st_size, after.st_mtime_ns) != (sighting.size, sighting.size, sighting.mtime_ns):
            raise SourceError(f"{sighting.name} is still growing. It is taken once it has not changed for a while.")
        os.utime(part, ns=(sighting.mtime_ns, sighting.mtime_ns))
        kept = archived(archive, sha256)
        kept.parent.mkdir(exist_ok=True)
        if not _holds(kept, size):
            part.replace(kept)
    except OSError as error:
        raise _failed(error, archive, sighting) from error
    finally:
        part.unlink(missing_ok=True)
    return sha256


def remember(archive: Path, taken: Sequence[Taken]) -> None:
    """Add files to the list of names, from which a lost ledger is made again.

    Raises:
        SourceError: the list cannot be written.
    """
    entries = [asdict(item) | {"taken_on": item.taken_on.isoformat()} for item in taken]
    # Each line begins a new one, so that none is glued to a line that a crash cut off.
    lines = "".join("\n" + json.dumps(entry, ensure_ascii=False) for entry in entries)
    try:
        with (archive / NAMES).open("ab") as names:
            names.write(lines.encode())
    except OSError as error:
        raise SourceError(
            f"{archive / NAMES} cannot be written ({error.strerror}). Free space or make it writable, then run again."
        ) from error


def remembered(archive: Path) -> list[Taken]:
    """The newest state of every file that was ever taken, by name; a line that a crash cut off is passed over."""
    found: dict[str, Taken] = {}
    try:
        lines = (archive / NAMES).read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []
    for line in lines:
        with suppress(ValueError):
            entry = json.loads(line)
            entry["taken_on"] = date.fromisoformat(entry["taken_on"])
            found[entry["name"]] = Taken(**entry)
    return [taken for _, taken in sorted(found.items()) if archived(archive, taken.sha256).exists()]


def _holds(kept: Path, size: int) -> bool:
    """Whether the entry is there whole; a power cut may leave one whose bytes never reached the disk."""
    try:
        return kept.stat().st_size == size
    except FileNotFoundError:
        return False


def _copy(source: BinaryIO, target: BinaryIO) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        target.write(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def _failed(error: OSError, archive: Path, sighting: Sighting) -> SourceError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SourceError(
            f"{sighting.name} cannot be kept: the disk of {archive} is full. Free space, then run again."
        )
    if isinstance(error, FileNotFoundError):
        return SourceError(f"{sighting.name} has vanished. Drop it again if it is to count.")
    where = f" at {error.filename}" if error.filename else ""
    return SourceError(
        f"{sighting.name} cannot be copied ({error.strerror}{where}). Make it readable and {archive} writable."
    )
