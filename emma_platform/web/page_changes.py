"""What changed since an earlier publication: what its template is given.

Belongs here: which two publications are set side by side, and arranging what changed. Does not belong here: finding it
(`serving.compare`).
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from emma_platform.model.access import StoreScope
from emma_platform.serving.compare import Comparison, compare
from emma_platform.serving.freshness import freshness
from emma_platform.serving.publication import Publication
from emma_platform.serving.reader import Reader
from emma_platform.serving.remembered import Remembered
from emma_platform.web import words
from emma_platform.web.publication_shown import Shown

FILE_WORDS = {"late": "late", "corrected": "corrected", "gone": "withdrawn"}
"""What happened to a file, as the header says it."""

MOST_DAYS = 200
"""Changed days that are listed; a rebuild with another rule may change every day there is."""


_compared = Remembered[Comparison](32)


def earlier_ones(shown: Shown) -> list[Publication]:
    """The kept publications before the one that is shown, newest first."""
    return [one for one in shown.publications() if one.at < shown.reader.publication.at]


def compared(shown: Shown, scope: StoreScope, before: Reader) -> Comparison:
    """What changed since an earlier publication; found once, for everybody who may see the same stores."""
    key = (shown.reader.publication.file, before.publication.file, scope)
    return _compared.of(key, lambda: compare(shown.reader, scope, before))


def news(found: Comparison) -> str:
    """What came late or was corrected, in a few words; empty when no day that was known then has changed."""
    if not found.corrected:
        return ""
    files = {(cause.kind, cause.file) for day in found.corrected for cause in day.causes}
    counts = {kind: sum(one == kind for one, _ in files) for kind in FILE_WORDS}
    told = [(number, FILE_WORDS[kind]) for kind, number in counts.items() if number]
    said = [f"{_counted(number, 'file') if not place else number} {what}" for place, (number, what) in enumerate(told)]
    return ", ".join([*said, f"{_counted(len(found.corrected), 'day')} changed"])


def _counted(number: int, what: str) -> str:
    return f"{words.count(number)} {what if number == 1 else what + 's'}"


def changes_values(shown: Shown, scope: StoreScope, before: Reader | None) -> dict[str, Any]:
    """All that the template needs; without an earlier publication there is nothing to compare with."""
    found = compared(shown, scope, before) if before is not None else None
    return {
        "comparison": found,
        "earlier": earlier_ones(shown),
        "store_names": shown.store_names(scope),
        "days": found.corrected[:MOST_DAYS] if found else (),
        "new_days": _new_days(found) if found else [],
        "revenue": sum((day.revenue for day in found.corrected), Decimal(0)) if found else Decimal(0),
        "units": sum((day.units for day in found.corrected), Decimal(0)) if found else Decimal(0),
        "fresh": freshness(shown.reader, scope),
    }


def _new_days(found: Comparison) -> list[dict[str, Any]]:
    """The days that were not known before, store by store."""
    by_store = defaultdict(list)
    for day in found.new:
        by_store[day.store].append(day)
    return [
        {
            "store": store,
            "days": len(days),
            "first": min(day.day for day in days),
            "last": max(day.day for day in days),
            "revenue": sum((day.revenue for day in days), Decimal(0)),
            "units": sum((day.units for day in days), Decimal(0)),
        }
        for store, days in sorted(by_store.items())
    ]
