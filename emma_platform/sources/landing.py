"""The landing folder: which files lie in it.

Belongs here: walking folders and the names that are left alone. Does not belong here: which files are new (`files`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emma_platform.sources.protocol import SourceError

_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".filepart")
_EDITORS = (".", "~$")


@dataclass(frozen=True, slots=True)
class Found:
    """A file below the landing folder.

    Attributes:
        name: its path below the folder.
        size, mtime_ns, ctime_ns: as the file system says.
        trouble: why it cannot be taken, or none.
        is_folder: it is a folder that cannot be opened.
    """

    name: str
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    trouble: str | None = None
    is_folder: bool = False


def walk(landing: Path) -> Iterator[Found]:
    """Every file below landing, named by its path below it with `/`.

    Hidden files and those of open editors are passed over. Links are followed to files, not to folders.

    Raises:
        SourceError: landing is missing or cannot be read.
    """
    folders = [("", str(landing))]
    while folders:
        prefix, folder = folders.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            if not prefix:
                remedy = "Make it, mount it or make it readable, or set EMMA_HOME"
                raise SourceError(
                    f"The landing folder {landing} cannot be read ({error.strerror}). {remedy}."
                ) from error
            yield Found(prefix[:-1], trouble=f"cannot be opened ({error.strerror}); make it readable", is_folder=True)
            continue
        for entry in entries:
            name = prefix + entry.name
            if entry.name.startswith(_EDITORS) or entry.name.endswith(".swp"):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append((f"{name}/", entry.path))
            elif found := _file(name, entry):
                yield found


def _file(name: str, entry: os.DirEntry[str]) -> Found | None:
    """What is known of one file; none when it is no file or has vanished meanwhile."""
    try:
        if not entry.is_file():
            return None
        status = entry.stat()
    except OSError:
        return None
    trouble = None
    if name.lower().endswith(_UNFINISHED):
        trouble = "temporary name; it is taken once it is renamed"
    elif not _is_text(name):
        name, trouble = name.encode("utf-8", "replace").decode(), "the name is not UTF-8; rename it"
    return Found(name, status.st_size, status.st_mtime_ns, status.st_ctime_ns, trouble)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
