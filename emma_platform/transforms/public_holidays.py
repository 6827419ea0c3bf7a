"""The public holidays of a store's country and region, as entries of its calendar.

Belongs here: which days they are and how they stand beside the chain's own calendar. Does not belong here: what a
holiday does to demand (`calendar_terms`, `calendar_regression`).

The days are those of the package `holidays` (https://holidays.readthedocs.io), movable feasts included; its version is
part of what a forecast is computed from.
"""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.model.tables import CALENDAR

_LANGUAGE = "en_US"
"""Names would otherwise follow the language of the machine."""


def public_holidays(country: str, subdivision: str | None, first: date, last: date) -> dict[date, str]:
    """The names of the public holidays from first to last, both included, by day; none where the region is unknown.

    Args:
        country: ISO 3166-1 alpha-2, such as DE.
        subdivision: the part of ISO 3166-2 behind the country, such as BY; None for the whole country's alone.
        first: the first day.
        last: the last day.
    """
    import holidays  # a quarter of a second

    try:
        region = holidays.country_holidays(country, subdiv=subdivision)
    except NotImplementedError:
        return {}
    named = holidays.country_holidays(
        country,
        subdiv=subdivision,
        years=range(first.year, last.year + 1),
        language=_LANGUAGE if _LANGUAGE in region.supported_languages else region.default_language,
    )
    return {day: name for day, name in sorted(named.items()) if first <= day <= last}


def store_calendar(calendar: pa.Table, stores: pa.Table, *, store: str, first: date, last: date) -> pa.Table:
    """The calendar with the public holidays that the store's country has from first to last.

    A day that the chain's own calendar calls a holiday or closed in this store keeps the chain's word for it alone.

    Args:
        calendar: as `model.tables.CALENDAR`; a null store means every store.
        stores: as `model.tables.STORES`; a store that is not in it or has no country has no public holidays.
        store: the store.
        first: the first day.
        last: the last day.
    """
    mine = stores.filter(pc.equal(stores["store"], pa.scalar(store))).to_pylist()
    if not mine or not mine[0]["country"]:
        return calendar
    found = public_holidays(mine[0]["country"], mine[0]["subdivision"], first, last)
    entries = zip(*(calendar[name].to_pylist() for name in ("store", "day", "kind")), strict=True)
    own = {day for whose, day, kind in entries if whose in (None, store) and kind in ("holiday", "closed")}
    rows = [
        {"store": store, "day": day, "event": name, "kind": "holiday"} for day, name in found.items() if day not in own
    ]
    return pa.concat_tables([calendar, pa.Table.from_pylist(rows, schema=CALENDAR.arrow_schema())])
