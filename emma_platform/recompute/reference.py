"""Reference data: products, stores, promotions, prices planned, … become one table each; a change marks its users.

Belongs here: which file wins, and which partitions use what changed. Does not belong here: sales and stock (`inputs`).

Of several rows for one key the last in file-name and line order wins, so the order of arrival does not matter; dated
names (`products-2026-11-22.csv`) sort as people expect.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from emma_platform.model.tables import TABLES
from emma_platform.recompute import propagate
from emma_platform.recompute.ledger import (
    NO_DAY,
    Key,
    Result,
    files,
    fingerprint,
    partitions,
    reasons,
    record,
    slices,
    upsert,
    want,
)
from emma_platform.recompute.platform import Platform
from emma_platform.recompute.reading import Reading
from emma_platform.sources.protocol import SourceError, Taken
from emma_platform.store.protocol import Whole
from emma_platform.transforms.advice_effects import span
from emma_platform.transforms.planned_prices import with_decisions

MERGED = ("products", "stores", "promotions", "price_plan", "calendar", "advice_decisions")
_BY_CALENDAR = ("sales_forecast", "price_evidence")
"""What follows a store's reference data beside its key figures."""
PRICED_TOGETHER = ("price_group", "pack_family", "pack_size")
"""Columns of `products` that price recommendations read."""

f = files.c


@dataclass
class Merged:
    """What a group changed in the reference data, to be written in the group's transaction."""

    versions: dict[str, int] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    touched: dict[str, set[Key]] = field(default_factory=lambda: defaultdict(set))
    moved_stores: set[str] = field(default_factory=set)

    def apply(self, connection: sa.Connection, codes: Mapping[str, str], history_days: int, batch: int) -> None:
        """Record the new tables and mark what used the changed rows."""
        for table, result in self.results.items():
            record(connection, table, [result], batch)
            want(connection, table, {result.key: result.done})
        token = fingerprint(*(f"{table}={result.content}" for table, result in sorted(self.results.items())))
        for table, keys in self.touched.items():
            upsert(
                connection,
                partitions,
                [{"table_name": table, "store": key.store, "day": key.day, "token": token} for key in sorted(keys)],
            )
        propagate.from_raw(connection, self.touched.get("clean_sales", ()), codes)
        propagate.for_kpis(connection, self.touched.get("product_kpis", ()), codes)
        stores = {key.store for table in _BY_CALENDAR for key in self.touched.get(table, ())}
        propagate.from_kpis(connection, stores, codes, history_days)
        advised = {key.store for key in self.touched.get("price_recommendations", ())}
        propagate.for_recommendations(connection, advised, codes)
        if self.results.keys() & set(TABLES["advice_effects"].inputs):
            propagate.for_advice(connection, codes)
        _read_again(connection, self.moved_stores)


def merge(platform: Platform, readings: list[Reading], replaced: Collection[str], batch: int) -> Merged:
    """Merge and commit the kinds of reference data that this group brings or takes away."""
    merged = Merged()
    for table in MERGED:
        arrived = [piece for reading in readings for piece in reading.rows(table)]
        with platform.ledger.transaction() as connection:
            others = _other_files(connection, table, replaced)
            concerned = arrived or connection.scalar(
                sa.select(sa.func.count()).where(f.input == table, f.name.in_(sorted(replaced)), f.copy_of.is_(None))
            )
        if not concerned:
            continue
        before = platform.store.read(table)
        after = _winners(table, [*arrived, *_read_archived(platform, table, others)])
        if before.equals(after):
            continue
        merged.versions[table] = platform.store.commit(table, after, Whole(), {"batch": str(batch)})
        digest = platform.engine.digest(after, by=[], columns=TABLES[table].names).to_pydict()
        content = f"{digest['content'][0]}:{digest['rows'][0]}" if digest["rows"] else "0"
        merged.results[table] = Result(propagate.WHOLE, content, content, after.num_rows, _facet(table, after))
        _mark(platform, table, before, after, merged)
    return merged


def _facet(table: str, rows: pa.Table) -> str:
    """Of decisions the days that their effects depend on, first and last; of these and plans the stores, as JSON."""
    if table == "price_plan":
        return json.dumps({"planned": _stores_of(rows)})
    if table != "advice_decisions":
        return ""
    days = span(rows)
    decided = with_decisions(TABLES["price_plan"].arrow_schema().empty_table(), rows)
    return json.dumps({"planned": _stores_of(decided), "days": [day.isoformat() for day in days] if days else None})


def _stores_of(rows: pa.Table) -> list[str | None]:
    """The stores of rows, each once; None stands for every store."""
    return sorted(set(rows["store"].to_pylist()), key=lambda store: (store is None, store))


def _other_files(connection: sa.Connection, table: str, replaced: Collection[str]) -> list[Taken]:
    columns = (f.name, f.taken_size, f.taken_mtime_ns, f.sha256, f.taken_on)
    rows = connection.execute(sa.select(*columns).where(f.input == table, f.copy_of.is_(None), f.sha256.is_not(None)))
    return [
        Taken(name, size, mtime, sha, date.fromisoformat(taken_on))
        for name, size, mtime, sha, taken_on in rows
        if name not in replaced
    ]


def _read_archived(platform: Platform, table: str, taken: Iterable[Taken]) -> list[pa.Table]:
    try:
        return [piece.rows for item in taken for piece in platform.source.read(item, {}) if piece.input == table]
    except SourceError as error:
        raise SourceError(f"The archive no longer holds what {table} is made of: {error}") from error


def _winners(table: str, pieces: list[pa.Table]) -> pa.Table:
    """One row a key, the last in file and line order, sorted by key."""
    schema = TABLES[table].arrow_schema()
    if not pieces:
        return schema.empty_table()
    rows = pa.concat_tables(pieces, promote_options="permissive").sort_by(
        [("file", "ascending"), ("line", "ascending")]
    )
    keys = list(TABLES[table].key)
    ordered = rows.append_column("position", pa.array(range(rows.num_rows), pa.int64()))
    last = ordered.group_by(keys).aggregate([("position", "max")])["position_max"]
    chosen = rows.take(last.combine_chunks()).sort_by([(key, "ascending") for key in keys])
    return chosen.select(schema.names).cast(schema).combine_chunks()


def _changed(before: pa.Table, after: pa.Table, key: str, columns: Collection[str]) -> set[str | None]:
    """The key's values whose rows differ in the given columns between two states of a table."""

    def states(rows: pa.Table) -> set[tuple[object, ...]]:
        return set(zip(*(rows[name].to_pylist() for name in (key, *columns)), strict=True))

    return {row[0] for row in states(before) ^ states(after)}  # type: ignore[misc]


def _mark(platform: Platform, table: str, before: pa.Table, after: pa.Table, merged: Merged) -> None:
    if table == "products":
        merged.touched["clean_sales"] |= _using(
            platform, "raw_sales", _changed(before, after, "product", ["max_quantity"])
        )
        used = _changed(before, after, "product", ["category", "unit_cost"])
        merged.touched["product_kpis"] |= _using(platform, "product_kpis", used)
        tied = _changed(before.filter(_is_tied()), after.filter(_is_tied()), "product", PRICED_TOGETHER)
        merged.touched["price_recommendations"] |= _selling(platform, tied)
    elif table == "stores":
        merged.touched["clean_sales"] |= _of_stores(platform, "raw_sales", _changed(before, after, "store", []))
        zoned_before, zoned_after = (rows.filter(pc.is_valid(rows["time_zone"])) for rows in (before, after))
        zones = _changed(zoned_before, zoned_after, "store", ["time_zone"])
        merged.moved_stores = {store for store in zones if store}
        placed_before, placed_after = (rows.filter(pc.is_valid(rows["country"])) for rows in (before, after))
        moved = _changed(placed_before, placed_after, "store", ["country", "subdivision"])
        for follower in _BY_CALENDAR:
            merged.touched[follower] |= {Key(key.store, NO_DAY) for key in _of_stores(platform, "product_kpis", moved)}
    else:
        if table == "advice_decisions":
            none = TABLES["price_plan"].arrow_schema().empty_table()
            before, after = (with_decisions(none, rows) for rows in (before, after))
        stores = _changed(before, after, "store", [name for name in before.column_names if name != "store"])
        for follower in _BY_CALENDAR:
            if table in TABLES[follower].inputs:
                merged.touched[follower] |= {
                    Key(key.store, NO_DAY)
                    for key in _of_stores(
                        platform, "product_kpis", set() if None in stores else stores, every=None in stores
                    )
                }


def _is_tied() -> pc.Expression:
    """Products that are priced with others."""
    group, family, size = map(pc.field, PRICED_TOGETHER)
    return pc.is_valid(group) | (pc.is_valid(family) & pc.is_valid(size))


def _selling(platform: Platform, products: Collection[str | None]) -> set[Key]:
    """The stores with price evidence of one of the products; those whose evidence is behind follow it anyway."""
    if not products:
        return set()
    found = platform.engine.run(
        "select distinct store from price_evidence where product in (select product from changed)",
        {
            "price_evidence": platform.store.files("price_evidence"),
            "changed": pa.table({"product": pa.array(sorted(filter(None, products)))}),
        },
    )
    return {Key(str(store), NO_DAY) for store in found["store"].to_pylist()}


def _using(platform: Platform, table: str, products: Collection[str | None]) -> set[Key]:
    """The store-days whose rows name one of the products; one scan of three columns."""
    if not products:
        return set()
    found = platform.engine.run(
        f"select distinct store, day from {table} where trim(product) in (select product from changed)",
        {
            table: platform.store.files(table),
            "changed": pa.table({"product": pa.array(sorted(filter(None, products)))}),
        },
    )
    return {Key(store, day.isoformat()) for store, day in zip(*found.to_pydict().values(), strict=True)}


def _of_stores(platform: Platform, table: str, stores: Collection[str | None], *, every: bool = False) -> set[Key]:
    p = partitions.c
    statement = sa.select(p.store, p.day).where(p.table_name == table, p.rows > 0)
    with platform.ledger.transaction() as connection:
        return {Key(store, day) for store, day in connection.execute(statement) if every or store in stores}


def _read_again(connection: sa.Connection, stores: Collection[str]) -> None:
    """Sales files with rows of a store whose time zone changed: their days and times follow it.

    One that fails as it now lies there is read as it was taken, and fails again at the next look.
    """
    named = slices.c.store.in_(sorted(stores))
    unplaced = sa.select(reasons.c.file).where(reasons.c.file != "", reasons.c.input == "sales")
    names = sa.select(slices.c.file).where(named, slices.c.input == "sales").union(unplaced)
    if stores:
        connection.execute(sa.update(files).where(f.sha256.is_not(None), f.name.in_(names)).values(state="due"))
