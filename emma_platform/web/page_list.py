"""The list of products: what is asked for, and what its template is given.

Belongs here: the query in the address, and arranging the rows. Does not belong here: routes (`pages`), pictures
(`charts`), words (`words`), and finding the rows (`serving.product_list`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import Query

from emma_platform.model.access import StoreScope
from emma_platform.serving.listing import Attention
from emma_platform.serving.product_list import NAMES, Asked, Page, Period, product_list
from emma_platform.web import words
from emma_platform.web.addresses import product_path
from emma_platform.web.charts import sparkline
from emma_platform.web.publication_shown import Shown

PERIODS: tuple[Period, ...] = (7, 28)
NEEDS_SOMEBODY = {Attention.PRICE: "price", Attention.COVER: "stock", Attention.SHELF: "empty shelf"}
"""Why a product needs somebody, as the page says it; a forecast without skill is nothing that can be acted on."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list: its label, what it sorts by, whether it is a number, and what the label means."""

    label: str
    sort: str | None
    meaning: str
    number: bool = False


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What the address asks of the list; what is empty is left out of the address.

    Attributes:
        q: words that the product's name or code holds.
        store, category: only these; empty for all.
        days: figures over 7 or 28 days.
        attention: only what needs somebody for one of these reasons; none means all.
        sort, order: what `product_list` sorts by, and asc or desc; the largest revenue first.
        offset: rows left out.
        known_on: an earlier publication.
    """

    q: str = ""
    store: str = ""
    category: str = ""
    days: Period = 28
    attention: tuple[Attention, ...] = ()
    sort: str = "revenue"
    order: str = "desc"
    offset: int = 0
    known_on: str = ""

    def address(self, **changed: object) -> str:
        """The query string of this query with some parts changed, from its first row unless an offset is given."""
        one = replace(self, **({"offset": 0} | changed))  # type: ignore[arg-type]
        plain = ListQuery()
        pairs = {name: value for name in self.__slots__ if (value := getattr(one, name)) != getattr(plain, name)}
        return f"?{urlencode(pairs, doseq=True)}" if pairs else ""

    def asked(self) -> Asked:
        """The same as a question to the publication."""
        return Asked(
            stores=frozenset({self.store} - {""}),
            categories=frozenset({self.category} - {""}),
            search=self.q,
            attention=frozenset(self.attention),
            period=self.days,
            sort=self.sort,
            descending=self.order == "desc",
        )


def list_query(
    q: Annotated[str, Query(max_length=100)] = "",
    store: str = "",
    category: str = "",
    days: Literal["7", "28"] = "28",
    attention: Annotated[list[Attention], Query(max_length=20)] = [],  # noqa: B006 - read by FastAPI alone
    sort: str = "revenue",
    order: Literal["asc", "desc"] = "desc",
    offset: Annotated[int, Query(ge=0)] = 0,
    known_on: str = "",
) -> ListQuery:
    """The dependency that reads the query of an address."""
    kept = sort if sort in {"revenue", "growth", *NAMES} else "revenue"
    why = tuple(dict.fromkeys(attention))
    return ListQuery(q.strip(), store, category, 7 if days == "7" else 28, why, kept, order, offset, known_on)


def list_values(shown: Shown, scope: StoreScope, query: ListQuery) -> dict[str, Any]:
    """All that the templates of the list need.

    Raises:
        ServingError: there is no such store.
    """
    page = product_list(shown.reader, scope, query.asked(), offset=query.offset)
    names = shown.store_names(scope)
    several = len(names) > 1 and not query.store
    return {
        "asked": query,
        "list_query": query.address(),
        "columns": _columns(query),
        "rows": [_row(row, names, query) for row in page.rows],
        "more": None if page.next_offset is None else query.address(offset=page.next_offset),
        "found": page.totals.products,
        "total": _total(page, query),
        "stores": names,
        "several": several,
        "categories": [category for category in page.categories if category],
        "periods": PERIODS,
        "reasons": NEEDS_SOMEBODY,
    }


def _columns(query: ListQuery) -> list[Column]:
    days, half = query.days, 7 if query.days == PERIODS[0] else 14
    return [
        Column("Product", "name", "Its name, code and, where there are several, store"),
        Column("30 days", None, "Units a day over the last 30 days"),
        Column("Revenue", "revenue", f"Net sales of the last {days} days", number=True),
        Column("Trend", "growth", f"Revenue of the last {half} days against the {half} before", number=True),
        Column("Margin", "gross_margin_28d_pct", "Gross margin per revenue of the last 28 days", number=True),
        Column(
            "Forecast", "forecast_units_28d", "Units expected in the next 28 days, with an 80 % interval", number=True
        ),
        Column("Price", "expected_profit_uplift_p50", "What is advised, by the profit it promises"),
        Column("Stock", "days_of_cover", "How long the stock lasts at the rate of the last 28 days"),
    ]


def _total(page: Page, query: ListQuery) -> dict[str, str]:
    totals = page.totals
    growth = totals.growth_wow_pct if query.days == PERIODS[0] else totals.growth_28d_pct
    return {
        "revenue": words.count(totals.revenue_7d if query.days == PERIODS[0] else totals.revenue_28d),
        "trend": words.trend(growth)[2],
        "change": words.trend_short(growth),
        "margin": words.percent(totals.gross_margin_28d_pct),
        "forecast": words.units(totals.forecast_units_28d),
        "price": words.count(totals.attention[Attention.PRICE]),
        "cover": words.count(totals.attention[Attention.COVER]),
        "shelf": words.count(totals.attention[Attention.SHELF]),
    }


def _row(row: Mapping[str, Any], names: Mapping[str, str], query: ListQuery) -> dict[str, Any]:
    growth = row["growth_wow_pct" if query.days == PERIODS[0] else "growth_28d_pct"]
    expected = row["forecast_units_28d"]
    return {
        "path": product_path(row["store"], row["product"]),
        "name": row["name"] or row["product"],
        "code": row["product"],
        "store": names.get(row["store"], row["store"]),
        "spark": sparkline(row["units_by_day_30d"]),
        "revenue": words.count(row[f"revenue_{query.days}d"]),
        "trend": words.trend(growth),
        "change": words.trend_short(growth),
        "margin": words.percent(row["gross_margin_28d_pct"]),
        "forecast": words.units(expected),
        "interval": None
        if expected is None
        else (words.units(row["forecast_units_28d_p10"]), words.units(row["forecast_units_28d_p90"])),
        "status": row["status"] or "",
        "hint": words.price_hint(row),
        "shelf": words.shelf(row),
    }
