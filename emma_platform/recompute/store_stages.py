"""The stages that compute tables by store: forecasts and scores, price evidence, response and recommendations.

Belongs here: for each stage, read its inputs for the stale stores, call the pure function of one store, commit each
table once for many stores, write the ledger. Does not belong here: the functions themselves (`transforms`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from emma_platform.model.tables import TABLES
from emma_platform.recompute import propagate
from emma_platform.recompute.ledger import NO_DAY, Key, Result, partitions, record, set_version, want
from emma_platform.recompute.plan import Selection, Stale, stale
from emma_platform.recompute.platform import Platform
from emma_platform.recompute.stages import DEMAND, months_before
from emma_platform.store.protocol import Stores, Whole
from emma_platform.transforms.forecast import forecast_store
from emma_platform.transforms.price_evidence import price_evidence
from emma_platform.transforms.price_ladder import Guardrails
from emma_platform.transforms.price_priors import price_priors
from emma_platform.transforms.price_recommendations import recommend
from emma_platform.transforms.price_response import price_response

DEMAND_ROWS = 1_500_000
"""Key figures read at once for forecasts: about 200 MB with the columns of `DEMAND`."""

p = partitions.c
Frames = dict[str, pa.Table]


@dataclass(frozen=True)
class Work:
    """What one stage works with."""

    platform: Platform
    selection: Selection
    codes: Mapping[str, str]
    batch: int


def forecasts(work: Work) -> None:
    """Compute the stale stores of sales_forecast and forecast_scores."""
    history = work.platform.settings.forecast_history_days

    def one(store: str, demand: pa.Table, reference: Frames) -> Frames:
        forecast = forecast_store(
            demand,
            reference["promotions"],
            reference["calendar"],
            store=store,
            made_on=pc.max(demand["day"]).as_py(),
            history_days=history,
        )
        return {"sales_forecast": forecast.sales_forecast, "forecast_scores": forecast.forecast_scores}

    def after(connection: sa.Connection, stores: list[str]) -> None:
        propagate.for_recommendations(connection, stores, work.codes)

    _from_demand(work, ("sales_forecast", "forecast_scores"), one, after)


def evidence(work: Work) -> None:
    """Compute the stale stores of price_evidence."""
    history = work.platform.settings.forecast_history_days

    def one(store: str, demand: pa.Table, reference: Frames) -> Frames:
        last_day = pc.max(demand["day"]).as_py()
        rows = price_evidence(demand, reference["promotions"], store=store, last_day=last_day, history_days=history)
        return {"price_evidence": rows}

    def after(connection: sa.Connection, stores: list[str]) -> None:
        propagate.for_priors(connection, work.codes)
        propagate.for_response(connection, stores, work.codes)
        propagate.for_recommendations(connection, stores, work.codes)

    _from_demand(work, ("price_evidence",), one, after)


def _from_demand(
    work: Work,
    tables: Sequence[str],
    one: Callable[[str, pa.Table, Frames], Frames],
    after: Callable[[sa.Connection, list[str]], None],
) -> None:
    """Run a function of one store's demand over the stale stores, in batches of bounded memory."""
    items = _stale(work, tables[0])
    reference = {table: work.platform.store.read(table) for table in ("promotions", "calendar")} if items else {}
    done = 0
    for group in _weighed(work, items):
        frames: dict[str, list[pa.Table]] = {table: [] for table in tables}
        for store, demand in _demand(work, [item for item in group if item.wanted]):
            for table, rows in one(store, demand, reference).items():
                frames[table].append(rows)
        _finish(work, tables, group, frames, after)
        done += len(group)
        work.platform.observer.progress(tables[0], done, len(items))


def _weighed(work: Work, items: Sequence[Stale]) -> Iterator[list[Stale]]:
    group: list[Stale] = []
    rows = 0
    with work.platform.ledger.transaction() as connection:
        statement = sa.select(p.store, sa.func.sum(p.rows)).where(p.table_name == "product_kpis").group_by(p.store)
        weights = {store: int(total) for store, total in connection.execute(statement)}
    for item in items:
        weight = weights.get(item.key.store, 0)
        if group and rows + weight > DEMAND_ROWS:
            yield group
            group, rows = [], 0
        group.append(item)
        rows += weight
    if group:
        yield group


def _demand(work: Work, items: Sequence[Stale]) -> Iterator[tuple[str, pa.Table]]:
    """Each store's demand columns over its own last days of history."""
    if not items:
        return
    stores = [item.key.store for item in items]
    days = work.platform.settings.forecast_history_days
    with work.platform.ledger.transaction() as connection:
        last = _last_days(connection, stores)
    months = {month for day in last.values() for month in months_before(day.isoformat(), days)}
    rows = work.platform.engine.run(
        f"select {', '.join(f'k.{name}' for name in DEMAND)} from product_kpis as k join spans as s"
        " on k.store = s.store and k.day > s.after and k.day <= s.last order by k.store, k.product, k.day",
        {
            "product_kpis": work.platform.store.files("product_kpis", stores=stores, months=months),
            "spans": pa.table(
                {
                    "store": pa.array(list(last), pa.string()),
                    "after": pa.array([_before(day, days) for day in last.values()], pa.date32()),
                    "last": pa.array(list(last.values()), pa.date32()),
                }
            ),
        },
    )
    yield from by_store(rows)


def _before(day: date, days: int) -> date:
    return date.fromordinal(day.toordinal() - days)


def _last_days(connection: sa.Connection, stores: Iterable[str]) -> dict[str, date]:
    statement = (
        sa.select(p.store, sa.func.max(p.day)).where(p.table_name == "product_kpis", p.rows > 0).group_by(p.store)
    )
    wanted = set(stores)
    return {store: date.fromisoformat(day) for store, day in connection.execute(statement) if store in wanted}


def by_store(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """A frame in order of store, cut into its stores without copying."""
    stores = rows["store"].combine_chunks()
    if not len(stores):
        return
    ends = pc.run_end_encode(stores)  # type: ignore[attr-defined]
    start = 0
    for store, end in zip(ends.values.to_pylist(), ends.run_ends.to_pylist(), strict=True):
        yield store, rows.slice(start, end - start)
        start = end


def priors(work: Work) -> None:
    """Compute price_priors when the evidence of any store changed."""
    items = _stale(work, "price_priors")
    if not items:
        return
    platform = work.platform
    rows = price_priors(platform.store.read("price_evidence")) if items[0].wanted else _empty("price_priors")
    version = platform.store.commit("price_priors", rows, Whole(), {"batch": str(work.batch)})
    platform.observer.step("price_priors: committed")
    digest = platform.engine.digest(rows, by=[], columns=TABLES["price_priors"].names).to_pydict()
    content = digest["content"][0] if rows.num_rows else ""
    with platform.ledger.transaction() as connection:
        result = Result(propagate.WHOLE, items[0].wanted, content, rows.num_rows)
        if record(connection, "price_priors", [result], work.batch):
            propagate.for_response(connection, None, work.codes)
        set_version(connection, "price_priors", version)
    platform.observer.progress("price_priors", 1, 1)


def responses(work: Work) -> None:
    """Compute the stale stores of price_response."""
    items = _stale(work, "price_response")
    if not items:
        return
    chain = work.platform.store.read("price_priors")
    own = dict(_read_by_store(work, "price_evidence", items))
    rows = [price_response(own[item.key.store], chain) for item in items if item.key.store in own and item.wanted]

    def after(connection: sa.Connection, stores: list[str]) -> None:
        propagate.for_recommendations(connection, stores, work.codes)

    _finish(work, ("price_response",), items, {"price_response": rows}, after)
    work.platform.observer.progress("price_response", len(items), len(items))


def recommendations(work: Work) -> None:
    """Compute the stale stores of price_recommendations."""
    items = _stale(work, "price_recommendations")
    settings = work.platform.settings
    endings = tuple(float(ending) for ending in settings.price_endings.split(",") if ending.strip())
    guardrails = Guardrails(settings.minimum_margin_pct, settings.largest_step_pct, endings)
    done = 0
    for group in _weighed(work, items):
        with work.platform.ledger.transaction() as connection:
            last = _last_days(connection, [item.key.store for item in group])
        inputs = {
            table: dict(_read_by_store(work, table, group))
            for table in ("price_evidence", "price_response", "sales_forecast")
        }
        latest = dict(_read_latest(work, group, last))
        rows = [
            recommend(
                **{
                    name: inputs[table].get(store, _empty(table))
                    for name, table in (("evidence", "price_evidence"), ("response", "price_response"))
                },
                forecast=_made_on(inputs["sales_forecast"].get(store, _empty("sales_forecast")), last[store]),
                latest=latest.get(store, _empty("product_kpis")),
                guardrails=guardrails,
                store=store,
                made_on=last[store],
            )
            for store in (item.key.store for item in group if item.wanted)
        ]
        _finish(work, ("price_recommendations",), group, {"price_recommendations": rows}, _nothing)
        done += len(group)
        work.platform.observer.progress("price_recommendations", done, len(items))


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


def _stale(work: Work, table: str) -> list[Stale]:
    if not work.selection.has(table):
        return []
    with work.platform.ledger.transaction() as connection:
        return stale(connection, table, work.selection)


def _finish(
    work: Work,
    tables: Sequence[str],
    items: Sequence[Stale],
    frames: Mapping[str, Sequence[pa.Table]],
    after: Callable[[sa.Connection, list[str]], None],
) -> None:
    """Commit the tables of a batch of stores, each once, and write the ledger."""
    platform = work.platform
    stores = [item.key.store for item in items]
    versions: dict[str, int] = {}
    results: dict[str, list[Result]] = {}
    for table in tables:
        rows = pa.concat_tables([_empty(table), *frames[table]])
        versions[table] = platform.store.commit(table, rows, Stores(frozenset(stores)), {"batch": str(work.batch)})
        digests = platform.engine.digest(rows, by=["store"], columns=TABLES[table].names).to_pydict()
        found = dict(zip(digests["store"], zip(digests["content"], digests["rows"], strict=True), strict=True))
        results[table] = [
            Result(Key(item.key.store, NO_DAY), item.wanted, *found.get(item.key.store, ("", 0))) for item in items
        ]
    platform.observer.step(f"{tables[0]}: committed")
    with platform.ledger.transaction() as connection:
        for table in tables:
            record(connection, table, results[table], work.batch)
            want(connection, table, {result.key: result.done for result in results[table]})
            set_version(connection, table, versions[table])
        after(connection, stores)
    platform.observer.step(f"{tables[0]}: recorded")


def _nothing(_connection: sa.Connection, _stores: list[str]) -> None:
    """Nothing follows."""


def _empty(table: str) -> pa.Table:
    return TABLES[table].arrow_schema().empty_table()
