"""The ledger's tables of where figures come from, beyond what says which partitions are stale.

Belongs here: the tables that only receipts need. Does not belong here: what decides over work (`ledger`), and what is
published of them (`receipts`). A home that was made before they were gets them empty: they fill as files are read.
"""

from __future__ import annotations

import sqlalchemy as sa

schema = sa.MetaData()
"""Every table of the ledger; `ledger` adds its own."""

left_out = sa.Table(
    "left_out",
    schema,
    sa.Column("file", sa.String, primary_key=True),
    sa.Column("store", sa.String, primary_key=True),
    sa.Column("day", sa.String, primary_key=True),
    sa.Column("set_aside", sa.BigInteger, nullable=False),
    sa.Column("duplicates", sa.BigInteger, nullable=False),
    sa.Index("left_out_by_day", "store", "day"),
)
"""Lines of a slice that are not in clean_sales; slices without such lines have no row."""

file_changes = sa.Table(
    "file_changes",
    schema,
    sa.Column("file", sa.String, primary_key=True),
    sa.Column("batch", sa.BigInteger, nullable=False, index=True),
)
"""The batch that last changed what is said of a file: its state, its lines, or what became of them."""

runs = sa.Table(
    "runs",
    schema,
    sa.Column("batch", sa.BigInteger, primary_key=True),
    sa.Column("run", sa.String, nullable=False),
)
"""The orchestrator's run that a batch was part of."""

checks = sa.Table(
    "checks",
    schema,
    sa.Column("table_name", sa.String, primary_key=True),
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("broken", sa.JSON, nullable=False),  # rows that break each rule, of the rules that any row breaks
)
"""How each check of the tables came out when it was last evaluated."""
