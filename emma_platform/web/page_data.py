"""The data page: how fresh each store is, which files wait or fail, what was set aside; what its template is given.

Belongs here: the query in the address, and arranging the figures. Does not belong here: routes (`provenance_pages`) and
finding the figures (`serving.freshness`, `serving.deliveries`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Any, ClassVar, Literal

from markupsafe import Markup
from pydantic import Field, StringConstraints

from emma_platform.model.access import StoreScope
from emma_platform.model.partitions import days_between
from emma_platform.serving.deliveries import PAGE_ROWS, lines_by_day, rows_set_aside, set_aside, troubles
from emma_platform.serving.freshness import Freshness, freshness
from emma_platform.web import words
from emma_platform.web.filters import Name, Question
from emma_platform.web.publication_shown import Shown

DAYS = 28
"""Days whose lines are drawn."""

_BAR, _HEIGHT = 4, 22


class DataQuery(Question):
    """What the address asks of the page."""

    first: ClassVar[dict[str, object]] = {"page": 1}

    store: Name = Field("", description="Only this store's rows set aside; empty for all.")
    days: Literal["0", "28", "91"] = Field("0", description="Only rows of so many last days; 0 for all.")
    reason: Annotated[str, StringConstraints(max_length=40)] = Field("", description="Whose rows are shown.")
    page: int = Field(1, ge=1, le=100_000, description="Which page of them.")
    known_on: Name = Field("", description="An earlier publication by its id; empty for the newest.")


def data_values(shown: Shown, scope: StoreScope, query: DataQuery) -> dict[str, Any]:
    """All that the template needs.

    Raises:
        ServingError: there is no such store.
    """
    fresh = freshness(shown.reader, scope)
    span = _span(fresh, int(query.days))
    stores = [query.store] if query.store else None
    found = set_aside(shown.reader, scope, stores=stores, **span)
    rows = (
        rows_set_aside(shown.reader, scope, query.reason, stores=stores, page=query.page, **span)
        if query.reason
        else []
    )
    return {
        "query": query,
        "fresh": fresh,
        "store_names": shown.store_names(scope),
        "troubles": troubles(shown.reader, scope),
        "arrivals": _arrivals(shown, scope, fresh),
        "reasons": found,
        "chosen": next((one.reason for one in found if one.reason.code == query.reason), None),
        "rows": rows[:PAGE_ROWS],
        "more": len(rows) > PAGE_ROWS,
        "drawn_days": DAYS,
    }


def _span(fresh: Freshness, days: int) -> Mapping[str, date]:
    if not days or fresh.last_day is None:
        return {}
    return {"first_day": fresh.last_day - timedelta(days=days - 1), "last_day": fresh.last_day}


def _arrivals(shown: Shown, scope: StoreScope, fresh: Freshness) -> dict[str, dict[str, Any]]:
    """For each store a picture of its lines by day, and which days brought none."""
    if fresh.last_day is None:
        return {}
    days = days_between(fresh.last_day - timedelta(days=DAYS - 1), fresh.last_day)
    lines = lines_by_day(shown.reader, scope, days[0], days[-1])
    found = {}
    for store in fresh.stores:
        counts = [lines.get(store.store, {}).get(day, 0) for day in days]
        without = [day for day, count in zip(days, counts, strict=True) if not count]
        found[store.store] = {"bars": bars(counts), "said": _said(counts, without)}
    return found


def _said(counts: Sequence[int], without: Sequence[date]) -> str:
    """The picture in words."""
    said = f"{words.count(sum(counts))} lines in {len(counts)} days"
    if without and len(without) < len(counts):
        said += f", none on {', '.join(words.short_day(day) for day in without[:5])}"
        said += f" and {len(without) - 5} more days" if len(without) > 5 else ""  # noqa: PLR2004
    return said


def bars(counts: Sequence[int]) -> Markup:
    """A bar a day as SVG; a day without a line is a tick below the line."""
    highest = max(counts, default=0) or 1
    drawn, missing = [], []
    for place, count in enumerate(counts):
        if count:
            height = max(1.0, (_HEIGHT - 3) * count / highest)
            drawn.append(f"M{place * _BAR} {_HEIGHT - 3}v-{height:.1f}h{_BAR - 1}v{height:.1f}z")
        else:
            missing.append(f"M{place * _BAR} {_HEIGHT - 2}h{_BAR - 1}v2h-{_BAR - 1}z")
    width = _BAR * len(counts)
    return Markup(
        '<svg class="bars" viewBox="0 0 {w} {h}" width="{w}" height="{h}" aria-hidden="true">'
        '<path d="{drawn}"/><path class="missing" d="{missing}"/></svg>'
    ).format(w=width, h=_HEIGHT, drawn="".join(drawn), missing="".join(missing))
