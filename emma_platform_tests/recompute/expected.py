"""What every partition is made of, by brute force: from the files, table by table, each partition's whole input.

A change must touch exactly the partitions whose input differs. Belongs here: that input, as DESIGN's law of the
affected states it. Does not belong here: the platform's own bookkeeping (fingerprints, tokens, spans), of which nothing
is used. The files are read by this module's few lines, the contents between tables from the tables as they are.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from emma_platform.model.tables import TABLES
from emma_platform.recompute.ledger import Key
from emma_platform.recompute.stages import DEMAND
from emma_platform_tests.recompute.home import NOW
from emma_platform_tests.recompute.life import Rows, State

WHOLE = Key("", "")
REFERENCE_KEYS = {
    "products": ("product",),
    "stores": ("store",),
    "promotions": ("store", "product", "first_day", "last_day"),
    "price_plan": ("store", "product", "first_day"),
    "calendar": ("store", "day", "event"),
    "advice_decisions": ("store", "product", "decided_at"),
}
TIES = ("price_group", "pack_family", "pack_size")
Inputs = dict[str, dict[Key, object]]
"""For each table, its partitions, each with all that it is computed from."""
Line = dict[str, str]


def affected(before: State, after: State) -> dict[str, set[Key]]:
    """By table, the partitions whose input is not what it was; those that come or go included."""
    old, new = inputs(before), inputs(after)
    return {
        table: {key for key in old[table].keys() | new[table].keys() if old[table].get(key) != new[table].get(key)}
        for table in new
    }


def inputs(state: State) -> Inputs:
    """What every partition of every table is computed from."""
    reference = {kind: _merged(state.files, kind) for kind in REFERENCE_KEYS}
    raw = raw_sales(state.files)
    stock = _by_day(placed_stock(state.files))
    clean = _clean(raw, reference, state)
    kpis = _kpis(state, stock, reference["products"])
    demand = _demand(state)
    promotions, calendar, plan = (_of_store(reference[kind]) for kind in ("promotions", "calendar", "price_plan"))
    history = state.settings.forecast_history_days
    places = {store: (line["country"], line["subdivision"]) for (store,), line in reference["stores"].items()}
    told = {
        key: (rows, promotions(key.store), calendar(key.store), places.get(key.store, ("", "")), history)
        for key, rows in demand.items()
        if rows
    }
    decided, response = _decided(reference["advice_decisions"].values()), cells(state, "price_response")
    planned = {key: (plan(key.store), decided.get(key.store)) for key in told}
    forecast = {
        key: (known, planned[key], response.get(key) if any(planned[key]) else None) for key, known in told.items()
    }
    found: Inputs = {
        "raw_sales": dict(raw),
        "stock": dict(stock),
        **{kind: {WHOLE: rows} if rows else {} for kind, rows in reference.items()},
        "clean_sales": clean,
        "set_aside_rows": clean,
        "product_kpis": kpis,
        "sales_forecast": forecast,
        "sales_forecast_totals": forecast,
        "forecast_scores": forecast,
        "forecast_accuracy": forecast,
        "probable_stock_outs": told,
        "price_evidence": told,
        "forecast_model": {},
    }
    return found | _prices(state, reference["products"]) | _advice(state, reference)


def _decided(decisions: Iterable[Line]) -> dict[str, list[tuple[str, ...]]]:
    """By store the prices decided on, each with its product and day: the last decision on a product counts."""
    last = {(line["store"], line["product"]): line for line in sorted(decisions, key=lambda line: line["decided_at"])}
    found: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for (store, product), line in sorted(last.items()):
        if line["decision"] != "decline":
            found[store].append((product, line["decided_at"][:10], line["price"]))
    return found


def counted(files: Mapping[str, str]) -> dict[str, str]:
    """The files that count: of several with the same bytes and of one kind, the one with the shortest name."""
    holders: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, text in files.items():
        holders[kind_of(name), text].append(name)
    return {min(names, key=lambda name: (len(name), name)): text for (_, text), names in holders.items()}


def kind_of(name: str) -> str:
    """What a file's name says; files of sales have names of their own."""
    return next((kind for kind in ("stock", *REFERENCE_KEYS) if name.startswith(kind)), "sales")


def lines_of(files: Mapping[str, str], kind: str) -> list[tuple[str, int, Line]]:
    """Every data line of the files of a kind that count: file, line, and its fields; in file and line order."""
    return [
        (name, number, fields)
        for name, text in sorted(counted(files).items())
        if kind_of(name) == kind
        for number, fields in enumerate(csv.DictReader(io.StringIO(text)), start=2)
    ]


def raw_sales(files: Mapping[str, str]) -> dict[Key, list[tuple[object, ...]]]:
    """The lines of sales by store and business day, each with its place, its instant and its fields."""
    zones = {line["store"]: line["time_zone"] for line in _merged(files, "stores").values()}
    found: dict[Key, list[tuple[object, ...]]] = defaultdict(list)
    for file, number, line in lines_of(files, "sales"):
        zone = ZoneInfo(zones.get(line["store"]) or "UTC")
        try:
            sold_at = datetime.fromisoformat(line["sold_at"])
        except ValueError:
            continue
        instant = sold_at if sold_at.tzinfo else sold_at.replace(tzinfo=zone)
        on = sold_at.date() if sold_at.tzinfo is None else instant.astimezone(zone).date()
        if line["store"] and on <= NOW.date() + timedelta(1):
            found[Key(line["store"], on.isoformat())].append(
                (file, number, instant.astimezone(UTC), *sorted(line.items()))
            )
    return found


def placed_stock(files: Mapping[str, str]) -> list[tuple[Key, tuple[object, ...]]]:
    """The lines of stock that can be read, each with its store-day."""
    return [
        (Key(line["store"], line["day"]), (file, number, line["product"], line["on_hand"]))
        for file, number, line in lines_of(files, "stock")
        if line["on_hand"].isdecimal()
    ]


def _merged(files: Mapping[str, str], kind: str) -> dict[tuple[str, ...], Line]:
    """Reference data: of several rows for one key the last in file and line order."""
    keys = REFERENCE_KEYS[kind]
    required = keys[-1] if kind != "promotions" else "product"
    return {
        tuple(line[key] for key in keys): line
        for _, _, line in lines_of(files, kind)
        if line[required] and line.get("price") != "0"
    }


def _by_day(lines: Iterable[tuple[Key, tuple[object, ...]]]) -> dict[Key, list[tuple[object, ...]]]:
    found: dict[Key, list[tuple[object, ...]]] = defaultdict(list)
    for key, line in lines:
        found[key].append(line)
    return found


def _clean(
    raw: Mapping[Key, list[tuple[object, ...]]], reference: Mapping[str, Mapping[tuple[str, ...], Line]], state: State
) -> dict[Key, object]:
    """Clean sales: the raw lines of the day, which of their products and whether the store is known, and the rules."""
    largest = {key: line["max_quantity"] for (key,), line in reference["products"].items()}

    def known(lines: list[tuple[object, ...]]) -> dict[str, str | None]:
        products = {dict(fields)["product"].strip() for _, _, _, *fields in lines}  # type: ignore[arg-type]
        return {product: largest.get(product) for product in products}

    return {
        key: (lines, known(lines), (key.store,) in reference["stores"], state.settings.non_product_codes)
        for key, lines in raw.items()
    }


def cells(state: State, table: str, columns: Iterable[str] | None = None) -> dict[Key, Rows]:
    """The rows of a table as it is, by partition: store and day, or store."""
    names = TABLES[table].names
    chosen = [names.index(name) for name in columns or names]
    store = names.index("store")
    on = names.index("day") if table in ("clean_sales", "product_kpis") else None
    found: dict[Key, Rows] = defaultdict(list)
    for row in state.tables[table]:
        found[Key(str(row[store]), "" if on is None else str(row[on]))].append(tuple(row[i] for i in chosen))
    return found


def _back(on: str, days: int) -> str:
    return (date.fromisoformat(on) - timedelta(days)).isoformat()


def _kpis(
    state: State, stock: Mapping[Key, list[tuple[object, ...]]], products: Mapping[tuple[str, ...], Line]
) -> dict[Key, object]:
    """Key figures: 28 days of clean sales, the day's stock, and category and cost of the products that they show."""
    clean = cells(state, "clean_sales")
    used = {(key,): (line["category"], line["unit_cost"]) for (key,), line in products.items()}
    shown = cells(state, "product_kpis", ["product"])
    last: dict[str, str] = defaultdict(str)
    for key in (*clean, *stock):
        last[key.store] = max(last[key.store], key.day)
    days = {Key(key.store, _back(key.day, -offset)) for key in clean for offset in range(28)} | stock.keys()
    found: dict[Key, object] = {}
    for key in days:
        if key.day <= last[key.store]:
            window = [clean.get(Key(key.store, _back(key.day, offset))) for offset in range(28)]
            found[key] = (window, stock.get(key), {product: used.get(product) for product in shown.get(key, ())})  # type: ignore[call-overload]
    return found


def _demand(state: State) -> dict[Key, object]:
    """By store, what forecasts and price evidence read of the key figures of its last days of history."""
    rows = cells(state, "product_kpis", DEMAND)
    last = {key.store: key.day for key in sorted(rows)}
    history = state.settings.forecast_history_days
    return {
        Key(store, ""): {k: r for k, r in rows.items() if k.store == store and k.day > _back(newest, history)}
        for store, newest in last.items()
    }


def _of_store(lines: Mapping[tuple[str, ...], Line]) -> Callable[[str], list[Line]]:
    """The lines of a store and of all stores, the key's first field being the store."""
    return lambda store: [line for key, line in sorted(lines.items()) if key[0] in ("", store)]


def _prices(state: State, products: Mapping[tuple[str, ...], Line]) -> Inputs:
    """Priors from all evidence; a store's response from both; its advice from these, the forecast and its last day.

    Its advice also follows which of the products with evidence are priced together.
    """
    evidence, response, forecast = (
        cells(state, table) for table in ("price_evidence", "price_response", "sales_forecast")
    )
    kpis = cells(state, "product_kpis")
    last = {key.store: key for key in sorted(kpis)}
    tied = {key: tie for (key,), line in products.items() if any(tie := [line.get(name) for name in TIES])}
    sold = {key: {str(row[0]) for row in rows} for key, rows in cells(state, "price_evidence", ["product"]).items()}
    settings = state.settings
    rules = (
        settings.minimum_margin_pct,
        settings.largest_step_pct,
        settings.price_endings,
        settings.price_cool_down_days,
        settings.price_change_cost,
    )
    return {
        "price_priors": {WHOLE: state.tables["price_evidence"]} if evidence else {},
        "price_response": {key: (rows, state.tables["price_priors"]) for key, rows in evidence.items()},
        "price_recommendations": {
            Key(store, ""): (
                kpis[latest],
                *(table.get(Key(store, "")) for table in (forecast, response, evidence)),
                {product: tied[product] for product in sorted(sold.get(Key(store, ""), set()) & tied.keys())},
                rules,
            )
            for store, latest in last.items()
        },
    }


def _advice(state: State, reference: Mapping[str, Mapping[tuple[str, ...], Line]]) -> Inputs:
    """The decisions; but for refusals also promotions, and sales from 83 days before to 56 after."""
    decisions = reference["advice_decisions"]
    if not decisions:
        return {"advice_effects": {}}
    days = [line["made_on"] for line in decisions.values() if line["decision"] != "decline"]
    sold = {
        key: rows
        for key, rows in cells(state, "product_kpis", DEMAND).items()
        if days and _back(min(days), 83) <= key.day <= _back(max(days), -56)
    }
    return {"advice_effects": {WHOLE: (decisions, sold, reference["promotions"] if days else None)}}
