"""The glossary: every column of every published table, as `model` describes it.

Belongs here: grouping it for people who look something up. Does not belong here: the descriptions themselves.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from emma_platform.model.parts import PARTS
from emma_platform.model.schema import Table
from emma_platform.model.tables import KEPT, TABLES
from emma_platform.serving.contents import PRODUCT_OVERVIEW

_FIRST = ("product_kpis", "product_overview", "sales_forecast", "price_recommendations", "price_response")
"""What people ask about most."""


@cache
def glossary_values() -> dict[str, Any]:
    """The tables with their columns, those of the key figures first; and the parts of a change."""
    known = {name: TABLES[name] for name in KEPT} | {PRODUCT_OVERVIEW.name: PRODUCT_OVERVIEW}
    order = [*_FIRST, *(name for name in known if name not in _FIRST)]
    return {"tables": [known[name] for name in order], "parts": PARTS, "anchors": _anchors(known)}


def _anchors(tables: dict[str, Table]) -> dict[str, str]:
    """For each column, the table that a link to it alone leads to: the first that has it."""
    found: dict[str, str] = {}
    for name in [*_FIRST, *tables]:
        for column in tables[name].names:
            found.setdefault(column, name)
    return found
