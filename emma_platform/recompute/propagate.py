"""What ties one table to the next: the fingerprints that partitions should be computed from.

Belongs here: for each table, which inputs its partitions are made of. Does not belong here: computing them (`stages`,
`store_stages`) and the statements themselves (`ledger`).

Called in the transaction that records a changed content; afterwards every partition that depends on it is stale.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, timedelta
from functools import cache
from itertools import groupby

import sqlalchemy as sa

from emma_platform.model.partitions import WINDOW_DAYS, days_between, last_whole_week
from emma_platform.recompute.ledger import NO_DAY, NO_STORE, Key, fingerprint, partitions, want

WHOLE = Key(NO_STORE, NO_DAY)
p = partitions.c


def from_raw(connection: sa.Connection, keys: Collection[Key], codes: Mapping[str, str]) -> None:
    """Clean sales follow the raw sales of their own store-day."""
    wanted: dict[Key, str] = {}
    for store, days in _by_store(keys):
        raw = _states(connection, "raw_sales", store, min(days), max(days))
        tokens = _tokens(connection, "clean_sales", store, min(days), max(days))
        for day in days:
            content = raw.get(day, ("", "", 0))[0]
            wanted[Key(store, day)] = content and fingerprint(codes["clean_sales"], content, tokens.get(day, ""))
    want(connection, "clean_sales", wanted)


def from_clean(connection: sa.Connection, keys: Collection[Key], codes: Mapping[str, str]) -> None:
    """Key figures follow the clean sales of the 28 days ending on their day, and that day's stock.

    A store has key figures up to its own last day, so the days between its old and its new last day come and go too.
    """
    for store, days in _by_store(keys):
        last = _last_day(connection, store, ("clean_sales", "stock"))
        reach = {_back(day, -offset) for day in days for offset in _WINDOW}
        _want_kpis(
            connection, store, {day for day in reach if day <= last} | _moved(connection, store, last), last, codes
        )


def for_kpis(connection: sa.Connection, keys: Collection[Key], codes: Mapping[str, str]) -> None:
    """Key figures of these store-days follow the reference data that was marked as touching them."""
    for store, days in _by_store(keys):
        _want_kpis(connection, store, set(days), _last_day(connection, store, ("clean_sales", "stock")), codes)


def _want_kpis(connection: sa.Connection, store: str, days: set[str], last: str, codes: Mapping[str, str]) -> None:
    if not days:
        return
    clean = _states(connection, "clean_sales", store, _back(min(days), WINDOW_DAYS - 1), max(days))
    stock = _states(connection, "stock", store, min(days), max(days))
    tokens = _tokens(connection, "product_kpis", store, min(days), max(days))
    wanted: dict[Key, str] = {}
    for day in days:
        window = [_back(day, offset) for offset in _WINDOW]
        sold = [f"{d}={clean[d][0]}" for d in window if d in clean and clean[d][2]]
        counted = stock[day][0] if day in stock and stock[day][2] else ""
        alive = day <= last and (sold or counted)
        value = fingerprint(codes["product_kpis"], tokens.get(day, ""), counted, *sold) if alive else ""
        wanted[Key(store, day)] = value
    want(connection, "product_kpis", wanted)


def _moved(connection: sa.Connection, store: str, last: str) -> set[str]:
    """The days between the store's last day and the last one that has key figures, the earlier of the two left out."""
    statement = sa.select(sa.func.min(p.day), sa.func.max(p.day)).where(
        p.table_name == "product_kpis", p.store == store, p.wanted != ""
    )
    first, known = connection.execute(statement).one()
    if not known:
        return set()
    if not last:
        return set(days_iso(first, known))
    return set(days_iso(min(last, known), max(last, known))) - {min(last, known)}


def from_kpis(connection: sa.Connection, stores: Iterable[str], codes: Mapping[str, str], history_days: int) -> None:
    """Forecast, scores and price evidence of a store follow the columns they read of its key figures.

    The forecast of a store with planned prices follows its price response too, and all forecasts the chain's model.
    """
    tables = ("sales_forecast", "price_evidence")
    wanted: dict[str, dict[Key, str]] = {table: {} for table in tables}
    touched = sorted(set(stores))
    is_planned, response = _planned(connection), _whole_store(connection, "price_response")
    model = _whole_store(connection, "forecast_model").get(NO_STORE, "")
    for store in touched:
        last = _last_day(connection, store, ("product_kpis",))
        first = _back(last, history_days - 1) if last else ""
        demand = [
            f"{d}={s[1]}" for d, s in sorted(_states(connection, "product_kpis", store, first, last).items()) if s[2]
        ]
        for table in tables:
            token = _tokens(connection, table, store, NO_DAY, NO_DAY).get(NO_DAY, "")
            more = [response.get(store, "")] if is_planned(store) else []
            more += [model] if model else []
            parts = [token, *(more if table == "sales_forecast" else []), *demand]
            wanted[table][Key(store, NO_DAY)] = fingerprint(codes[table], *parts) if demand else ""
    for table in tables:
        want(connection, table, wanted[table])
    for_recommendations(connection, touched, codes)
    for_advice(connection, codes)


def for_model(connection: sa.Connection, codes: Mapping[str, str], history_days: int) -> date | None:
    """The chain's forecast model follows the key figures of every store up to the end of the newest week that is over.

    Returns:
        That day; None where there is to be no model.
    """
    newest = connection.scalar(sa.select(sa.func.max(p.day)).where(p.table_name == "product_kpis", p.rows > 0))
    if not newest or not codes["forecast_model"]:
        if _whole_store(connection, "forecast_model"):
            want(connection, "forecast_model", {WHOLE: ""})
        return None
    until = last_whole_week(date.fromisoformat(newest))
    days = p.day.between(_back(until.isoformat(), history_days - 1), until.isoformat())
    chosen = (p.table_name == "product_kpis", p.rows > 0, days)
    sold = connection.execute(sa.select(p.store, p.day, p.facet).where(*chosen).order_by(p.store, p.day))
    told = sa.select(p.store, p.token).where(p.table_name == "price_evidence", p.token != "").order_by(p.store)
    parts = [*("|".join(row) for row in connection.execute(told)), *("|".join(row) for row in sold)]
    want(connection, "forecast_model", {WHOLE: fingerprint(codes["forecast_model"], until.isoformat(), *parts)})
    return until


def from_response(
    connection: sa.Connection, stores: Collection[str], codes: Mapping[str, str], history_days: int
) -> None:
    """What follows the price response of these stores: recommendations, and forecasts where prices are planned."""
    is_planned = _planned(connection)
    if planned := [store for store in stores if is_planned(store)]:
        from_kpis(connection, planned, codes, history_days)
    for_recommendations(connection, stores, codes)


def stores_sold(connection: sa.Connection) -> set[str]:
    """The stores that have key figures."""
    return set(connection.scalars(sa.select(p.store).where(p.table_name == "product_kpis", p.rows > 0).distinct()))


def _planned(connection: sa.Connection) -> Callable[[str], bool]:
    """Whether a store has prices planned or decided on, as the facets of these tables say."""
    tables = p.table_name.in_(("price_plan", "advice_decisions"))
    facets = connection.scalars(sa.select(p.facet).where(tables, p.facet != ""))
    stores = {store for facet in facets for store in json.loads(facet)["planned"]}
    return lambda store: None in stores or store in stores


def for_priors(connection: sa.Connection, codes: Mapping[str, str]) -> None:
    """The chain's priors follow the price evidence of every store."""
    statement = sa.select(p.store, p.content).where(p.table_name == "price_evidence", p.rows > 0).order_by(p.store)
    evidence = [f"{store}={content}" for store, content in connection.execute(statement)]
    want(connection, "price_priors", {WHOLE: fingerprint(codes["price_priors"], *evidence) if evidence else ""})


def for_response(connection: sa.Connection, stores: Collection[str] | None, codes: Mapping[str, str]) -> None:
    """A store's price response follows its evidence and the chain's priors; None stands for every store."""
    evidence = _whole_store(connection, "price_evidence")
    prior = _whole_store(connection, "price_priors").get(NO_STORE, "")
    wanted = {
        Key(store, NO_DAY): content and fingerprint(codes["price_response"], content, prior)
        for store, content in evidence.items()
        if stores is None or store in stores
    }
    want(connection, "price_response", wanted)


def for_recommendations(connection: sa.Connection, stores: Collection[str], codes: Mapping[str, str]) -> None:
    """A store's price recommendations follow its forecast, response, evidence and its last day's key figures.

    Of the products table, the groups and packs of what it sells are in the token that reference data leaves.
    """
    inputs = [_whole_store(connection, table) for table in ("sales_forecast", "price_response", "price_evidence")]
    wanted: dict[Key, str] = {}
    for store in stores:
        last = _last_day(connection, store, ("product_kpis",))
        latest = _states(connection, "product_kpis", store, last, last).get(last, ("", "", 0))[0]
        parts = [contents.get(store, "") for contents in inputs]
        token = _tokens(connection, "price_recommendations", store, NO_DAY, NO_DAY).get(NO_DAY, "")
        wanted[Key(store, NO_DAY)] = latest and fingerprint(codes["price_recommendations"], token, latest, *parts)
    want(connection, "price_recommendations", wanted)


def for_advice(connection: sa.Connection, codes: Mapping[str, str]) -> None:
    """The effects of decisions follow the decisions, and of every store the sales and promotions around them.

    The days around them stand in the facet of `advice_decisions`.
    """
    chosen = (p.table_name == "advice_decisions", p.rows > 0)
    found = connection.execute(sa.select(p.content, p.facet).where(*chosen)).one_or_none()
    if found is None:
        known = connection.scalar(sa.select(p.wanted).where(p.table_name == "advice_effects"))
        if known:
            want(connection, "advice_effects", {WHOLE: ""})
        return
    parts = [found.content]
    if span := json.loads(found.facet)["days"]:
        first, last = span
        days = sa.select(p.store, p.day, p.facet).where(
            p.table_name == "product_kpis", p.rows > 0, p.day.between(first, last)
        )
        sold = (f"{store}|{day}={facet}" for store, day, facet in connection.execute(days.order_by(p.store, p.day)))
        parts += [_whole_store(connection, "promotions").get(NO_STORE, ""), *sold]
    want(connection, "advice_effects", {WHOLE: fingerprint(codes["advice_effects"], *parts)})


_WINDOW = range(WINDOW_DAYS)


@cache
def _back(day: str, days: int) -> str:
    return (date.fromisoformat(day) - timedelta(days)).isoformat()


def days_iso(first: str, last: str) -> list[str]:
    """Every day from first to last as ISO text."""
    return [day.isoformat() for day in days_between(date.fromisoformat(first), date.fromisoformat(last))]


def _by_store(keys: Iterable[Key]) -> Iterable[tuple[str, list[str]]]:
    for store, group in groupby(sorted(set(keys)), key=lambda key: key.store):
        yield store, [key.day for key in group]


def _states(
    connection: sa.Connection, table: str, store: str, first: str, last: str
) -> dict[str, tuple[str, str, int]]:
    """Content, facet and rows of a store's days."""
    statement = sa.select(p.day, p.content, p.facet, p.rows).where(
        p.table_name == table, p.store == store, p.day.between(first, last)
    )
    return {day: (content, facet, rows) for day, content, facet, rows in connection.execute(statement)}


def _tokens(connection: sa.Connection, table: str, store: str, first: str, last: str) -> dict[str, str]:
    statement = sa.select(p.day, p.token).where(
        p.table_name == table, p.store == store, p.day.between(first, last), p.token != ""
    )
    return dict(connection.execute(statement).all())


def _whole_store(connection: sa.Connection, table: str) -> dict[str, str]:
    statement = sa.select(p.store, p.content).where(p.table_name == table)
    return dict(connection.execute(statement).all())


def _last_day(connection: sa.Connection, store: str, tables: tuple[str, ...]) -> str:
    days = [
        connection.scalar(sa.select(sa.func.max(p.day)).where(p.table_name == table, p.store == store, p.rows > 0))
        for table in tables
    ]
    return max((day for day in days if day), default="")
