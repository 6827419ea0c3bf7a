"""The digest of the code and settings behind each table: a part of what its partitions were computed from.

Belongs here: which modules and settings a table's content depends on. Does not belong here: the transforms themselves.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

import sqlalchemy as sa

from emma_platform.model.tables import TABLES
from emma_platform.recompute import propagate
from emma_platform.recompute.ledger import Key, codes, fingerprint, partitions, upsert
from emma_platform.settings import Settings
from emma_platform.transforms.code import source
from emma_platform.transforms.sql import load


def current(settings: Settings) -> dict[str, str]:
    """For each computed table, the digest of its transform, its columns and the settings it follows.

    Empty for a table that the settings do without.
    """
    history = str(settings.forecast_history_days)
    holidays = (source("public_holidays"), _installed("holidays"))
    guardrails = (
        str(settings.minimum_margin_pct),
        str(settings.largest_step_pct),
        settings.price_endings,
        str(settings.price_cool_down_days),
        str(settings.price_change_cost),
    )
    follows = {
        "clean_sales": (
            load("clean_sales").digest,
            source("clean_sales"),
            settings.non_product_codes,
            repr(TABLES["set_aside_rows"]),
        ),
        "product_kpis": (load("product_kpis").digest,),
        "sales_forecast": (
            source("forecast"),
            *holidays,
            history,
            repr(TABLES["sales_forecast_totals"]),
            repr(TABLES["forecast_scores"]),
            repr(TABLES["forecast_accuracy"]),
        ),
        "forecast_model": (source("forecast_model"), _installed("lightgbm"), *holidays, history),
        "price_evidence": (
            source("price_evidence"),
            source("stock_outs"),
            *holidays,
            history,
            repr(TABLES["probable_stock_outs"]),
        ),
        "price_priors": (source("price_priors"),),
        "price_response": (source("price_response"),),
        "price_recommendations": (source("price_recommendations"), *guardrails),
        "advice_effects": (source("advice_effects"),),
    }
    found = {table: fingerprint(repr(TABLES[table]), *parts) for table, parts in follows.items()}
    return found if settings.forecast_engine == "best" else found | {"forecast_model": ""}


@cache
def _installed(package: str) -> str:
    """The version of a package that may be missing; then empty."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def refresh(connection: sa.Connection, now: dict[str, str], history_days: int) -> None:
    """Where code or settings changed, make every partition that follows them stale."""
    known = dict(connection.execute(sa.select(codes.c.table_name, codes.c.digest)).all())
    changed = {table for table, digest in now.items() if known.get(table) != digest}
    if not changed:
        return
    p = partitions.c
    keys: dict[str, list[Key]] = {}
    for table, store, day in connection.execute(sa.select(p.table_name, p.store, p.day)):
        keys.setdefault(table, []).append(Key(store, day))
    stores = {key.store for key in keys.get("product_kpis", [])}
    if "clean_sales" in changed:
        propagate.from_raw(connection, keys.get("raw_sales", []), now)
    if "product_kpis" in changed:
        propagate.for_kpis(connection, keys.get("product_kpis", []), now)
    if changed & {"sales_forecast", "price_evidence"}:
        propagate.from_kpis(connection, stores, now, history_days)
    if "price_priors" in changed and "price_evidence" in keys:
        propagate.for_priors(connection, now)
    if "price_response" in changed:
        propagate.for_response(connection, None, now)
    if "price_recommendations" in changed:
        propagate.for_recommendations(connection, stores, now)
    if "advice_effects" in changed:
        propagate.for_advice(connection, now)
    upsert(connection, codes, [{"table_name": table, "digest": now[table]} for table in changed])
