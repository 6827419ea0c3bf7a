"""Decisions on price advice as files in landing, one each.

Belongs here: writing such a file, and reading those that no batch has taken yet. Does not belong here: what may be
decided (`advice`). Decisions come into the platform as everything else does (`sources`), so that they are archived, can
be corrected, and are read again after a loss.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from emma_platform.model.advice import DECISION_COLUMNS

FOLDER = "advice_decisions"
"""Below landing."""

_WAITING_AT_MOST = timedelta(days=7)
"""Files older than this are taken, or `emma status` says why not; a year's files are not opened for each question."""


def write(landing: Path, decision: Mapping[str, object]) -> Path:
    """Write one row of `advice_decisions` to a file, whole under its name or not there at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [name for part in DECISION_COLUMNS for name in part], lineterminator="\n")
    writer.writeheader()
    writer.writerow(decision)
    content = text.getvalue().encode()
    at = datetime.fromisoformat(str(decision["decided_at"]))
    path = landing / FOLDER / f"{_stamp(at)}-{hashlib.blake2b(content, digest_size=4).hexdigest()}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    return path


def since(landing: Path, published_at: datetime) -> Iterator[dict[str, Any]]:
    """The decisions in files that the publication of this time may not hold yet, in order of their time."""
    earliest = _stamp(published_at - _WAITING_AT_MOST)
    for path in sorted((landing / FOLDER).glob("*.csv")):
        if path.name < earliest:
            continue
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                given = {name: value or None for name, value in row.items()}
                yield {**given, "decided_at": datetime.fromisoformat(str(given["decided_at"]))}


def _stamp(at: datetime) -> str:
    """An instant with its zone as the beginning of a file name that sorts by time: UTC, to the microsecond."""
    return f"{(at - (at.utcoffset() or timedelta())).replace(tzinfo=None):%Y%m%dT%H%M%S.%fZ}"
