"""The stage of the advice ledger: what came of every decision.

Belongs here: read the decisions and the sales around them, call the pure function, commit, write the ledger. Does not
belong here: the function (`transforms.advice_effects`), and reading the files of decisions (`sources`).
"""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from emma_platform.model.partitions import days_between, month_of
from emma_platform.model.tables import TABLES
from emma_platform.recompute import propagate
from emma_platform.recompute.ledger import Result, record, set_version
from emma_platform.recompute.platform import Platform
from emma_platform.recompute.store_stages import Work, empty, stale_stores
from emma_platform.store.protocol import Whole
from emma_platform.transforms.advice_effects import advice_effects, span

_SALES = """
with near as (
    select store, product, category, day, sold_units, sold_revenue, average_price, on_hand
    from product_kpis, span where day between span.first_day and span.last_day
), shelves as (
    select distinct near.store, near.category from near semi join decided using (store, product)
    where near.category is not null
)
select * from near where product in (select product from decided)
union all
select near.* from near semi join shelves using (store, category) where product not in (select product from decided)
"""
"""Of the decided products every store's sales; of their categories those of the stores of the decisions."""


def effects(work: Work) -> None:
    """Compute advice_effects when a decision, or sales that it may depend on, changed."""
    items = stale_stores(work, "advice_effects")
    if not items:
        return
    platform = work.platform
    decisions = platform.store.read("advice_decisions")
    rows = empty("advice_effects")
    if items[0].wanted and decisions.num_rows:
        rows = advice_effects(decisions, _sales(platform, decisions), platform.store.read("promotions"))
    version = platform.store.commit("advice_effects", rows, Whole(), {"batch": str(work.batch)})
    platform.observer.step("advice_effects: committed")
    digest = platform.engine.digest(rows, by=[], columns=TABLES["advice_effects"].names).to_pydict()
    content = digest["content"][0] if rows.num_rows else ""
    with platform.ledger.transaction() as connection:
        result = Result(propagate.WHOLE, items[0].wanted, content, rows.num_rows)
        record(connection, "advice_effects", [result], work.batch)
        set_version(connection, "advice_effects", version)
    platform.observer.progress("advice_effects", 1, 1)


def _sales(platform: Platform, decisions: pa.Table) -> pa.Table:
    first, last = span(decisions) or (date.max, date.max)
    months = {month_of(day) for day in days_between(first, last)}
    return platform.engine.run(
        _SALES,
        {
            "product_kpis": platform.store.files("product_kpis", months=months),
            "decided": decisions.select(["store", "product"]),
            "span": pa.table({"first_day": [first], "last_day": [last]}),
        },
    )
