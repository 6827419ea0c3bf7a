"""The stage that forecasts, and what all stages by store share.

Belongs here: read the inputs of the stale stores, call the pure function of one store, commit each table once for many
stores, write the ledger. Does not belong here: the functions themselves (`transforms`) and prices (`price_stages`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from emma_platform.model.tables import TABLES
from emma_platform.recompute import propagate
from emma_platform.recompute.ledger import NO_DAY, Key, Result, partitions, record, select_in, set_version, want
from emma_platform.recompute.plan import Selection, Stale, stale
from emma_platform.recompute.platform import Platform
from emma_platform.recompute.stages import DEMAND, announce, months_before
from emma_platform.store.protocol import Stores, Whole
from emma_platform.transforms.forecast import forecast_store
from emma_platform.transforms.forecast_boosting import Boosting
from emma_platform.transforms.planned_prices import with_decisions
from emma_platform.transforms.public_holidays import store_calendar

CALENDAR_AHEAD_DAYS = 28
"""Days after the last known one whose public holidays count: those of the forecast."""

REFERENCE = ("promotions", "calendar", "stores", "price_plan", "advice_decisions")
"""The tables that a store's demand is read with."""

DEMAND_ROWS = 1_500_000
"""Key figures read at once for forecasts: about 200 MB with the columns of `DEMAND`."""

WITH_FORECAST = ("sales_forecast_totals", "forecast_scores", "forecast_accuracy")
"""The tables of a store that are made in one go with its forecast."""

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
    """Compute the stale stores of sales_forecast and the tables made with it."""
    history = work.platform.settings.forecast_history_days

    @cache
    def boosting() -> Boosting | None:
        return Boosting.of(work.platform.store.read("forecast_model"))

    def one(store: str, demand: pa.Table, reference: Frames) -> Frames:
        last_day = pc.max(demand["day"]).as_py()
        calendar = calendar_of(store, last_day, history, reference)
        plan = with_decisions(reference["price_plan"], reference["advice_decisions"])
        mine = plan.filter(pc.is_in(plan["store"], value_set=pa.array([store, None], pa.string())))
        forecast = forecast_store(
            demand,
            reference["promotions"],
            calendar,
            store=store,
            made_on=last_day,
            history_days=history,
            plan=mine,
            response=work.platform.store.read("price_response", stores=[store]) if mine.num_rows else None,
            boosting=boosting(),
        )
        return {
            "sales_forecast": forecast.sales_forecast,
            **{table: getattr(forecast, table) for table in WITH_FORECAST},
        }

    def after(connection: sa.Connection, stores: list[str]) -> None:
        propagate.for_recommendations(connection, stores, work.codes)

    from_demand(work, ("sales_forecast", *WITH_FORECAST), one, after)


def calendar_of(store: str, last_day: date, history_days: int, reference: Frames) -> pa.Table:
    """The store's calendar over its history and the days of the forecast, its public holidays included."""
    return store_calendar(
        reference["calendar"],
        reference["stores"],
        store=store,
        first=last_day - timedelta(history_days),
        last=last_day + timedelta(CALENDAR_AHEAD_DAYS),
    )


def from_demand(
    work: Work,
    tables: Sequence[str],
    one: Callable[[str, pa.Table, Frames], Frames],
    after: Callable[[sa.Connection, list[str]], None],
) -> None:
    """Run a function of one store's demand over the stale stores, in batches of bounded memory."""
    items = stale_stores(work, tables[0])
    reference = {table: work.platform.store.read(table) for table in REFERENCE} if items else {}
    done = 0
    announce(work.platform, tables[0], len(items))
    for group in weighed(work, items):
        frames: dict[str, list[pa.Table]] = {table: [] for table in tables}
        for store, demand in demand_of(work, [item for item in group if item.wanted]):
            for table, rows in one(store, demand, reference).items():
                frames[table].append(rows)
        finish(work, tables, group, frames, after)
        done += len(group)
        work.platform.observer.progress(tables[0], done, len(items))


def weighed(work: Work, items: Sequence[Stale]) -> Iterator[list[Stale]]:
    """The stores in groups of bounded key figures."""
    group: list[Stale] = []
    rows = 0
    statement = sa.select(p.store, sa.func.sum(p.rows)).where(p.table_name == "product_kpis").group_by(p.store)
    with work.platform.ledger.transaction() as connection:
        found = select_in(connection, statement, p.store, [item.key.store for item in items])
    weights = {store: int(total) for store, total in found}
    for item in items:
        weight = weights.get(item.key.store, 0)
        if group and rows + weight > DEMAND_ROWS:
            yield group
            group, rows = [], 0
        group.append(item)
        rows += weight
    if group:
        yield group


def demand_of(work: Work, items: Sequence[Stale]) -> Iterator[tuple[str, pa.Table]]:
    """Each store's demand columns over its own last days of history, in no order."""
    if not items:
        return
    stores = [item.key.store for item in items]
    days = work.platform.settings.forecast_history_days
    with work.platform.ledger.transaction() as connection:
        last = last_days(connection, stores)
    months = {month for day in last.values() for month in months_before(day.isoformat(), days)}
    rows = work.platform.engine.run(
        f"select {', '.join(f'k.{name}' for name in DEMAND)} from product_kpis as k join spans as s"
        " on k.store = s.store and k.day > s.after and k.day <= s.last order by k.store",
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


def last_days(connection: sa.Connection, stores: Iterable[str]) -> dict[str, date]:
    """The last day of each store that has key figures."""
    statement = (
        sa.select(p.store, sa.func.max(p.day)).where(p.table_name == "product_kpis", p.rows > 0).group_by(p.store)
    )
    return {store: date.fromisoformat(day) for store, day in select_in(connection, statement, p.store, stores)}


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


def stale_stores(work: Work, table: str) -> list[Stale]:
    """The stale partitions of a table, when it may be computed."""
    if not work.selection.has(table):
        return []
    with work.platform.ledger.transaction() as connection:
        return stale(connection, table, work.selection)


def finish(
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
        rows = pa.concat_tables([empty(table), *frames[table]])
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


def finish_whole(work: Work, table: str, item: Stale, rows: pa.Table, after: Callable[[sa.Connection], None]) -> None:
    """Commit a table in one piece and write the ledger; `after` is called when its content changed."""
    platform = work.platform
    version = platform.store.commit(table, rows, Whole(), {"batch": str(work.batch)})
    platform.observer.step(f"{table}: committed")
    digest = platform.engine.digest(rows, by=[], columns=TABLES[table].names).to_pydict()
    content = digest["content"][0] if rows.num_rows else ""
    with platform.ledger.transaction() as connection:
        if record(connection, table, [Result(item.key, item.wanted, content, rows.num_rows)], work.batch):
            after(connection)
        set_version(connection, table, version)
    platform.observer.progress(table, 1, 1)


def empty(table: str) -> pa.Table:
    """No rows of a table."""
    return TABLES[table].arrow_schema().empty_table()
