"""The stages of prices: evidence with the probable stock-outs, priors, response and recommendations.

Belongs here: for each stage, read its inputs, call the pure function, commit, write the ledger. Does not belong here:
the functions themselves (`transforms`), and what all stages by store share (`store_stages`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from emma_platform.model.tables import TABLES
from emma_platform.recompute import propagate
from emma_platform.recompute.plan import EVERYTHING, Stale, stale
from emma_platform.recompute.stages import announce
from emma_platform.recompute.store_stages import (
    Frames,
    Work,
    by_store,
    calendar_of,
    empty,
    finish,
    finish_whole,
    from_demand,
    last_days,
    stale_stores,
    weighed,
)
from emma_platform.settings import Settings
from emma_platform.transforms.price_evidence import price_evidence
from emma_platform.transforms.price_ladder import Guardrails
from emma_platform.transforms.price_priors import price_priors
from emma_platform.transforms.price_recommendations import recommend
from emma_platform.transforms.price_response import price_response
from emma_platform.transforms.stock_outs import find_stock_outs


def evidence(work: Work) -> None:
    """Compute the stale stores of price_evidence, and the probable stock-outs that it leaves out."""
    history = work.platform.settings.forecast_history_days

    def one(store: str, demand: pa.Table, reference: Frames) -> Frames:
        last_day = pc.max(demand["day"]).as_py()
        calendar = calendar_of(store, last_day, history, reference)
        stock_outs = find_stock_outs(
            demand, reference["promotions"], calendar, store=store, last_day=last_day, history_days=history
        )
        rows = price_evidence(
            demand, reference["promotions"], stock_outs, store=store, last_day=last_day, history_days=history
        )
        return {"price_evidence": rows, "probable_stock_outs": stock_outs}

    def after(connection: sa.Connection, stores: list[str]) -> None:
        propagate.for_priors(connection, work.codes)
        propagate.for_response(connection, stores, work.codes)
        propagate.for_recommendations(connection, stores, work.codes)

    from_demand(work, ("price_evidence", "probable_stock_outs"), one, after)


def priors(work: Work) -> None:
    """Compute price_priors when the evidence of any store changed."""
    items = stale_stores(work, "price_priors")
    if not items:
        return
    evidence = work.platform.store.read("price_evidence")
    rows = price_priors(evidence) if items[0].wanted else empty("price_priors")
    finish_whole(
        work, "price_priors", items[0], rows, lambda connection: propagate.for_response(connection, None, work.codes)
    )


def responses(work: Work) -> None:
    """Compute the stale stores of price_response."""
    items = stale_stores(work, "price_response")
    if not items:
        return
    chain = work.platform.store.read("price_priors")
    own = dict(_read_by_store(work, "price_evidence", items))
    rows = [price_response(own[item.key.store], chain) for item in items if item.key.store in own and item.wanted]

    def after(connection: sa.Connection, stores: list[str]) -> None:
        propagate.from_response(connection, stores, work.codes, work.platform.settings.forecast_history_days)

    finish(work, ("price_response",), items, {"price_response": rows}, after)
    work.platform.observer.progress("price_response", len(items), len(items))


def recommendations(work: Work) -> None:
    """Compute the stale stores of price_recommendations.

    After a crash a store's response may not follow its evidence yet; where that is not to be computed now, its
    recommendations are left for the next update.
    """
    with work.platform.ledger.transaction() as connection:
        behind = {item.key for item in stale(connection, "price_response", EVERYTHING)}
    items = [item for item in stale_stores(work, "price_recommendations") if item.key not in behind]
    guardrails = guardrails_of(work.platform.settings)
    listed = work.platform.store.read("products") if items else empty("products")
    done = 0
    announce(work.platform, "price_recommendations", len(items))
    for group in weighed(work, items):
        with work.platform.ledger.transaction() as connection:
            last = last_days(connection, [item.key.store for item in group])
        inputs = {
            table: dict(_read_by_store(work, table, group))
            for table in ("price_evidence", "price_response", "sales_forecast")
        }
        latest = dict(_read_latest(work, group, last))
        rows = [
            recommend(
                **{
                    name: inputs[table].get(store, empty(table))
                    for name, table in (("evidence", "price_evidence"), ("response", "price_response"))
                },
                forecast=_made_on(inputs["sales_forecast"].get(store, empty("sales_forecast")), last[store]),
                latest=latest.get(store, empty("product_kpis")),
                listed=listed,
                guardrails=guardrails,
                store=store,
                made_on=last[store],
            )
            for store in (item.key.store for item in group if item.wanted)
        ]
        finish(work, ("price_recommendations",), group, {"price_recommendations": rows}, _nothing)
        done += len(group)
        work.platform.observer.progress("price_recommendations", done, len(items))


def guardrails_of(settings: Settings) -> Guardrails:
    """What the settings ask of a recommended price."""
    return Guardrails(
        settings.minimum_margin_pct,
        settings.largest_step_pct,
        tuple(float(ending) for ending in settings.price_endings.split(",") if ending.strip()),
        settings.price_cool_down_days,
        settings.price_change_cost,
    )


def _made_on(forecast: pa.Table, day: date) -> pa.Table:
    return forecast.filter(pc.equal(forecast["made_on"], pa.scalar(day, pa.date32())))


def _read_latest(work: Work, items: Sequence[Stale], last: Mapping[str, date]) -> Iterator[tuple[str, pa.Table]]:
    """The key figures of each store's last day."""
    stores = [item.key.store for item in items if item.key.store in last]
    days = pa.table({"store": pa.array(stores, pa.string()), "day": pa.array([last[s] for s in stores], pa.date32())})
    rows = work.platform.engine.run(
        f"select {', '.join(TABLES['product_kpis'].names)} from product_kpis semi join days using (store, day)"
        " order by store, product",
        {
            "product_kpis": work.platform.store.files(
                "product_kpis", stores=stores, months={last[s].isoformat()[:7] for s in stores}
            ),
            "days": days,
        },
    )
    yield from by_store(rows)


def _read_by_store(work: Work, table: str, items: Sequence[Stale]) -> Iterator[tuple[str, pa.Table]]:
    rows = work.platform.store.read(table, stores=[item.key.store for item in items])
    yield from by_store(rows.sort_by([(key, "ascending") for key in TABLES[table].key]))


def _nothing(_connection: sa.Connection, _stores: list[str]) -> None:
    """Nothing follows."""
