"""The entries of a Delta log as files: what commits replaced, and which entries nobody needs any more.

Belongs here: names and bytes of entries and checkpoints (https://github.com/delta-io/delta/blob/master/PROTOCOL.md).
Does not belong here: what a version consists of and how one is made (`delta_log`).
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from emma_platform.store.protocol import Size

_LAST = "_last_checkpoint"


def replaced(log: Path, since: int) -> Size:
    """The data files that the commits after a version took out, as far as the log still holds these commits."""
    found = Size()
    for entry in _entries(log, since):
        with suppress(FileNotFoundError):  # maintenance is at work
            found += _removed_by(entry)
    return found


def bytes_to_open(log: Path) -> int:
    """The bytes of the entries after the newest checkpoint: who opens the table reads them all."""
    return sum(entry.stat().st_size for entry in _entries(log, max(_checkpoints(log), default=-1)))


def drop(log: Path, oldest: int, leftovers_before: float) -> None:
    """Delete what no version from `oldest` on needs, and old leftovers of crashed commits, oldest first.

    Args:
        log: the folder of the entries.
        oldest: a version; it and all later ones stay readable.
        leftovers_before: seconds since 1970; younger ones may be those of a commit at work.
    """
    start = max((version for version in _checkpoints(log) if version <= oldest), default=0)
    for path in sorted(log.iterdir()):
        number = path.name.partition(".")[0]
        if number.isdigit():
            gone = int(number) < start
        else:
            gone = path.name != _LAST and path.stat().st_mtime < leftovers_before
        if gone:
            path.unlink(missing_ok=True)


def _entries(log: Path, after: int) -> list[Path]:
    return [path for path in log.glob("*[0-9].json") if path.stem.isdigit() and int(path.stem) > after]


def _checkpoints(log: Path) -> list[int]:
    return [int(path.name.partition(".")[0]) for path in log.glob("*[0-9].checkpoint.parquet")]


def _removed_by(entry: Path) -> Size:
    """The files that one commit took out; those that it added are passed over unread."""
    found = Size()
    with entry.open("rb") as lines:
        for line in lines:
            if line.startswith(b'{"remove"'):
                found += Size(1, json.loads(line)["remove"].get("size") or 0)
    return found
