"""The digest of the code and settings behind each table: a part of what its partitions were computed from.

Belongs here: which modules and settings a table's content depends on. Does not belong here: the transforms themselves.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import sqlalchemy as sa

from emma_platform.model.tables import TABLES
from emma_platform.recompute import propagate
from emma_platform.recompute.ledger import Key, codes, fingerprint, partitions, upsert
from emma_platform.settings import Settings
from emma_platform.transforms.sql import load

_MODULES = {
    "sales_forecast": ("forecast",),
    "price_evidence": ("price_evidence",),
    "price_priors": ("price_priors",),
    "price_response": ("price_response",),
    "price_recommendations": ("price_recommendations",),
}


def current(settings: Settings) -> dict[str, str]:
    """For each computed table, the digest of its transform, its columns and the settings it follows."""
    history = str(settings.forecast_history_days)
    follows = {
        "clean_sales": (load("clean_sales").digest, settings.non_product_codes),
        "product_kpis": (load("product_kpis").digest,),
        "sales_forecast": (history, repr(TABLES["forecast_scores"])),
        "price_evidence": (history,),
        "price_priors": (),
        "price_response": (),
        "price_recommendations": (
            str(settings.minimum_margin_pct), str(settings.largest_step_pct), settings.price_endings,
        ),
    }  # fmt: skip
    return {
        table: fingerprint(repr(TABLES[table]), *values, *(_source(module) for module in _MODULES.get(table, ())))
        for table, values in follows.items()
    }


def _source(module: str) -> str:
    spec = importlib.util.find_spec(f"emma_platform.transforms.{module}")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"emma_platform.transforms.{module} is missing; install the package again")
    return Path(spec.origin).read_text(encoding="utf-8")


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
    upsert(connection, codes, [{"table_name": table, "digest": now[table]} for table in changed])
