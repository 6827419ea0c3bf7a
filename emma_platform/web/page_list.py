"""The list of products: what its template is given.

Belongs here: arranging the rows. Does not belong here: what filters there are (`filters`), routes (`pages`), pictures
(`charts`), words (`words`), and finding the rows (`serving.product_list`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from markupsafe import Markup

from emma_platform.model.access import StoreScope
from emma_platform.serving.listing import TRENDS, Attention
from emma_platform.serving.product_list import Page, product_list
from emma_platform.serving.remembered import Remembered
from emma_platform.web import charts, words
from emma_platform.web.addresses import EMPTY, product_path
from emma_platform.web.filters import Filters
from emma_platform.web.publication_shown import Shown
from emma_platform.web.rendering import fragment

PERIODS = ("7", "28")
MOST_KEPT = 64
"""Lists that are kept; fifty rows take 0.1 MB."""

_INTERVAL = ("forecast_units_28d_p10", "forecast_units_28d_p90")
_ADVICE = (
    "current_price", "recommended_price", "expected_profit_uplift_p50", "probability_of_gain", "recommendation_reason",
)  # fmt: skip
_STOCK = ("on_hand", "days_of_cover", "empty_shelf_since")
_SAID = (
    "store", "product", "name", "units_by_day_30d", "gross_margin_28d_pct", "forecast_units_28d", *_INTERVAL, "status",
    *_ADVICE, *_STOCK,
)  # fmt: skip
"""What a row is said from, beside the columns of the period."""

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


_kept = Remembered[dict[str, Any]](MOST_KEPT)


def list_values(shown: Shown, scope: StoreScope, query: Filters) -> dict[str, Any]:
    """All that the templates of the list need; kept, for beside every product there is the same list.

    Raises:
        ServingError: there is no such store.
    """
    key = (shown.reader.publication.file, shown.known_on, scope, query.query())
    return _kept.of(key, lambda: _list_values(shown, scope, query))


def _list_values(shown: Shown, scope: StoreScope, query: Filters) -> dict[str, Any]:
    columns = (*_SAID, *_of_period(query))
    page = product_list(shown.reader, scope, query.asked(), offset=query.offset, columns=columns)
    names = shown.store_names(scope)
    several = len(names) > 1 and len(query.store) != 1
    address = query.address()
    return {
        "asked": query,
        "list_query": address,
        "columns": [replace(column, address=_sorted_by(query, column.sort)) for column in _columns(query)],
        "rows": fragment("found.html", {"said": row_words(page.columns, names, query), "several": several}),
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
    _, steady = TRENDS[_of_period(query)[1]]
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


def _of_period(query: Filters) -> tuple[str, str, str]:
    """The columns of the period that is asked for: revenue, its change, and the change where it is no chance."""
    growth = "growth_wow_pct" if query.days == "7" else "growth_28d_pct"
    return f"revenue_{query.days}d", growth, TRENDS[growth][0].name


def row_words(rows: pa.Table, names: Mapping[str, str], query: Filters) -> dict[str, Sequence[object]]:
    """What `found.html` says of rows of the list, by column.

    Args:
        rows: `_SAID` and `_of_period`.
        names: of the stores.
        query: what the list was asked.

    Returns:
        `path` of the product's page beside this list; `name`, `code`, `store`; `spark`, the last 30 days as a line;
        `revenue`, `margin`, `forecast`; `low` and `high` of the forecast's interval, empty without a forecast;
        `steady`, whether enough was sold for a change to be told; `mood`, `change`, `moved`: how revenue moved, as
        class, short and in words; `status` of the price advice and its `hint`; `dot` and `shelf`, the stock as class
        and in words.
    """

    def column(name: str) -> list[Any]:
        values = rows[name]
        # Said as a decimal or as a float a figure is the same, but to read it as a decimal takes three times as long.
        return (values.cast(pa.float64()) if pa.types.is_decimal(values.type) else values).to_pylist()

    revenue, growth, trend = map(column, _of_period(query))
    stores, products, status = map(column, ("store", "product", "status"))
    address = query.address()
    moves = list(map(words.trend, trend))
    stock = list(map(words.shelf, *map(column, _STOCK)))
    low, high = (["" if value is None else words.rough(value) for value in column(name)] for name in _INTERVAL)
    return {
        "path": [f"{path}{address}" for path in map(product_path, stores, products)],
        "name": [name or product for name, product in zip(column("name"), products, strict=True)],
        "code": products,
        "store": [names.get(store, store) for store in stores],
        "spark": charts.sparklines(rows["units_by_day_30d"]),
        "revenue": list(map(words.count, revenue)),
        "steady": [told is not None or change is None for change, told in zip(growth, trend, strict=True)],
        "mood": [mood for mood, _, _ in moves],
        "change": list(map(words.trend_short, trend)),
        "moved": [moved for _, _, moved in moves],
        "margin": list(map(words.percent, column("gross_margin_28d_pct"))),
        "forecast": list(map(words.units, column("forecast_units_28d"))),
        "low": low,
        "high": high,
        "status": [advised or "" for advised in status],
        "hint": list(map(words.price_hint, status, *map(column, _ADVICE))),
        "dot": [dot for dot, _ in stock],
        "shelf": [shelf for _, shelf in stock],
    }
