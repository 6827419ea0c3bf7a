"""The list of products: what its template is given.

Belongs here: arranging the rows. Does not belong here: what filters there are (`filters`), routes (`pages`), pictures
(`charts`), words (`words`), and finding the rows (`serving.product_list`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from emma_platform.model.access import StoreScope
from emma_platform.serving.listing import TRENDS, Attention
from emma_platform.serving.product_list import NAMES, Page, product_list
from emma_platform.serving.remembered import Remembered
from emma_platform.web import words
from emma_platform.web.addresses import EMPTY, product_path
from emma_platform.web.charts import sparkline
from emma_platform.web.filters import Filters
from emma_platform.web.publication_shown import Shown
from emma_platform.web.rendering import fragment

PERIODS = ("7", "28")
MOST_KEPT = 64
"""Lists that are kept; fifty rows take 0.1 MB."""

_SHOWN = tuple(name for name in NAMES if name not in {
    "day", "category", "selling_days_28d", "units_7d", "units_28d", "gross_margin_28d",
    "forecast_skill_vs_seasonal_naive", "expected_profit_uplift_p10", "expected_profit_uplift_p90",
    "empty_shelf_probability", "abc_class",
})  # fmt: skip
"""What a row is said from; a value more in each of fifty rows takes 0.03 ms."""

REASON_WORDS = {
    Attention.PRICE: "price",
    Attention.COVER: "stock",
    Attention.SHELF: "empty shelf",
    Attention.FORECAST: "weak forecast",
}
"""Why a product needs attention, as the page says it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list.

    Attributes:
        label, meaning: what it is called, and what that means.
        sort: what it sorts by; None where it does not.
        address: of the list sorted by it, the other way round where it is already.
        number: it holds numbers.
    """

    label: str
    sort: str | None
    meaning: str
    number: bool = False
    address: str = ""


@dataclass(frozen=True, slots=True)
class ListRow:
    """A product of the list, in the words of the page.

    Attributes:
        path: of the product's page.
        name, code, store: what it is called.
        spark: its last 30 days as a line.
        revenue, margin, forecast: figures.
        rare: its change is of too few sales to be told.
        trend, change: how revenue moved: class, arrow and words; short.
        interval: of the forecast, from and to; None without a forecast.
        status, hint: of the price advice, and what it says.
        shelf: how bad the stock is, and in words.
    """

    path: str
    name: str
    code: str
    store: str
    spark: Markup
    revenue: str
    rare: bool
    trend: tuple[str, str, str]
    change: str
    margin: str
    forecast: str
    interval: tuple[str, str] | None
    status: str
    hint: str
    shelf: tuple[str, str]


_kept = Remembered[dict[str, Any]](MOST_KEPT)


def list_values(shown: Shown, scope: StoreScope, query: Filters) -> dict[str, Any]:
    """All that the templates of the list need; kept, for beside every product there is the same list.

    Raises:
        ServingError: there is no such store.
    """
    key = (shown.reader.publication.file, shown.known_on, scope, query.query())
    return _kept.of(key, lambda: _list_values(shown, scope, query))


def _list_values(shown: Shown, scope: StoreScope, query: Filters) -> dict[str, Any]:
    page = product_list(shown.reader, scope, query.asked(), offset=query.offset, columns=_SHOWN)
    names = shown.store_names(scope)
    several = len(names) > 1 and len(query.store) != 1
    address = query.address()
    rows = [row_values(row, names, query) for row in page.rows]
    return {
        "asked": query,
        "list_query": address,
        "columns": [replace(column, address=_sorted_by(query, column.sort)) for column in _columns(query)],
        "rows": fragment("found.html", {"rows": rows, "list_query": address, "several": several}),
        "more": None if page.next_offset is None else query.address(offset=page.next_offset),
        "found": page.totals.products,
        "total": _total(page, query),
        "stores": names,
        "store_options": store_options(names, query),
        "several": several,
        "selling": len(page.stores),
        "categories": [category or "" for category in page.categories],
        "periods": PERIODS,
        "reasons": REASON_WORDS,
    }


def _sorted_by(query: Filters, sort: str | None) -> str:
    if sort is None:
        return ""
    first = "asc" if sort == "name" else "desc"
    order = ("desc" if query.order == "asc" else "asc") if sort == query.sort else first
    return query.address(sort=sort, order=order)


_OPTION, _CHOSEN = Markup('<option value="{}">'), Markup('<option value="{}" selected>')
_options_of_all = Remembered[Markup](MOST_KEPT)


def store_options(names: Mapping[str, str], query: Filters) -> Markup:
    """The stores to choose from, made once for all lists of the same ones: a hundred take as long as 25 rows."""
    every = _options_of_all.of(tuple(names.items()), lambda: fragment("options.html", {"stores": names}))
    for store in query.store:
        code = store or EMPTY
        every = every.replace(_OPTION.format(code), _CHOSEN.format(code))
    return every


def _columns(query: Filters) -> list[Column]:
    days, half = query.days, 7 if query.days == "7" else 14
    _, steady = TRENDS["growth_wow_pct" if query.days == "7" else "growth_28d_pct"]
    return [
        Column("Product", "name", "Its name, code and, where there are several, store"),
        Column("30 days", None, "Units a day over the last 30 days"),
        Column("Revenue", "revenue", f"Net sales of the last {days} days", number=True),
        Column(
            "Trend",
            "growth",
            f"Revenue of the last {half} days against the {half} before, where it sold on at least {steady} of the "
            "last 28: of fewer sales it would be chance",
            number=True,
        ),
        Column("Margin", "gross_margin_28d_pct", "Gross margin per revenue of the last 28 days", number=True),
        Column(
            "Forecast", "forecast_units_28d", "Units expected in the next 28 days, with an 80 % interval", number=True
        ),
        Column("Price", "expected_profit_uplift_p50", "What is advised, by the profit it promises"),
        Column("Stock", "days_of_cover", "How long the stock lasts at the rate of the last 28 days"),
    ]


def _total(page: Page, query: Filters) -> dict[str, Any]:
    totals = page.totals
    growth = totals.growth_wow_pct if query.days == "7" else totals.growth_28d_pct
    return {
        "revenue": words.count(totals.revenue_7d if query.days == "7" else totals.revenue_28d),
        "trend": words.trend(growth)[2],
        "change": words.trend_short(growth),
        "margin": words.percent(totals.gross_margin_28d_pct),
        "forecast": words.units(totals.forecast_units_28d),
        "interval": None
        if totals.forecast_units_28d_p10 is None
        else (words.rough(totals.forecast_units_28d_p10), words.rough(totals.forecast_units_28d_p90)),
        "cost_known": totals.gross_margin_28d is not None,
        "price": words.count(totals.attention[Attention.PRICE]),
        "counted": totals.counted > 0,
        "cover": words.count(totals.attention[Attention.COVER]),
        "shelf": words.count(totals.attention[Attention.SHELF]),
        "weak": words.count(totals.attention[Attention.FORECAST]),
    }


def row_values(row: Mapping[str, Any], names: Mapping[str, str], query: Filters) -> ListRow:
    """What `found.html` shows of a row of the list."""
    growth, trend = (row[f"{name}_{'wow' if query.days == '7' else '28d'}_pct"] for name in ("growth", "trend"))
    expected = row["forecast_units_28d"]
    return ListRow(
        path=product_path(row["store"], row["product"]),
        name=row["name"] or row["product"],
        code=row["product"],
        store=names.get(row["store"], row["store"]),
        spark=sparkline(row["units_by_day_30d"]),
        revenue=words.count(row[f"revenue_{query.days}d"]),
        rare=growth is not None and trend is None,
        trend=words.trend(trend),
        change=words.trend_short(trend),
        margin=words.percent(row["gross_margin_28d_pct"]),
        forecast=words.units(expected),
        interval=None
        if expected is None
        else (words.rough(row["forecast_units_28d_p10"]), words.rough(row["forecast_units_28d_p90"])),
        status=row["status"] or "",
        hint=words.price_hint(row),
        shelf=words.shelf(row),
    )
