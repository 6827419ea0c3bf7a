"""The archive: every file that was taken, once, under the hash of its bytes.

Belongs here: copying whole or not at all. Does not belong here: which files are taken (`files`).
"""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from emma_platform.sources.protocol import Sighting, SourceError

_CHUNK = 1 << 20


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
                target.flush()
                os.fsync(target.fileno())
            after = path.stat()
        if (size, after.st_size, after.st_mtime_ns) != (sighting.size, sighting.size, sighting.mtime_ns):
            raise SourceError(f"{sighting.name} is still growing. It is taken once it has not changed for a while.")
        os.utime(part, ns=(sighting.mtime_ns, sighting.mtime_ns))
        kept = archived(archive, sha256)
        if not kept.exists():
            kept.parent.mkdir(exist_ok=True)
            part.replace(kept)
    except OSError as error:
        raise _failed(error, archive, sighting) from error
    finally:
        part.unlink(missing_ok=True)
    return sha256


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
