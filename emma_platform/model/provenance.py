"""Where published figures come from: the tables of a publication that tell of files, batches and checks.

Belongs here: what these tables say. Does not belong here: how they are filled (`serving.provenance`).
"""

from __future__ import annotations

from emma_platform.model.schema import Column, Grain, Table, Type

SOURCE_FILES = Table(
    "source_files", "The files that were dropped, as they stood at the publication: one row per file and store whose lines it holds.",
    Grain.WHOLE, "serving", "team:data-engineering", ("file", "store"),
    (
        Column("file", Type.TEXT, "The file, as its path below landing/."),
        Column("store", Type.TEXT, "The store of these lines; null for lines without a readable store and day, and for files that are not by store.", nullable=True),
        Column("input", Type.TEXT, "What kind of file it is; null while it could never be read.", nullable=True),
        Column("state", Type.TEXT, "taken, waiting (left alone for now), or failing; what a failing file said before it was replaced still counts.", allowed=("taken", "waiting", "failing")),
        Column("message", Type.TEXT, "Why it waits or fails, and the remedy.", nullable=True),
        Column("copy_of", Type.TEXT, "The file of the same bytes that counts in its place: this one was delivered again.", nullable=True),
        Column("withdrawn", Type.FLAG, "It no longer lies in landing/; what it said still counts."),
        Column("sha256", Type.TEXT, "SHA-256 of the bytes that were taken.", nullable=True),
        Column("bytes", Type.COUNT, "The size of the file that was taken.", unit="bytes", nullable=True, lowest=0),
        Column("taken_on", Type.DAY, "The day it was taken, in UTC.", nullable=True),
        Column("first_day", Type.DAY, "The first day with lines of the store.", nullable=True),
        Column("last_day", Type.DAY, "The last day with lines of the store.", nullable=True),
        Column("days", Type.COUNT, "Days with lines of the store.", unit="days", lowest=0),
        Column("lines", Type.COUNT, "Data lines of the store.", "clean + set_aside + duplicates", unit="lines", lowest=0),
        Column("clean", Type.COUNT, "Lines that were taken.", unit="lines", lowest=0),
        Column("set_aside", Type.COUNT, "Lines that were not taken, for a reason.", unit="lines", lowest=0),
        Column("duplicates", Type.COUNT, "Lines that say exactly what another line says, and count there.", unit="lines", lowest=0),
    ),
)  # fmt: skip

PARTITION_RECEIPTS = Table(
    "partition_receipts", "What every day's key figures and every store's forecasts and prices came out as, and in which batch.",
    Grain.WHOLE, "serving", "team:data-engineering", ("table", "store", "day"),
    (
        Column("table", Type.TEXT, "The table."),
        Column("store", Type.TEXT, "The store."),
        Column("day", Type.DAY, "The day; null in a table that is not cut by days.", nullable=True),
        Column("rows", Type.COUNT, "Its rows.", lowest=0),
        Column("content", Type.TEXT, "Hash of its rows: the same rows, the same hash."),
        Column("batch", Type.COUNT, "The batch that computed it.", lowest=1),
    ),
)  # fmt: skip

BATCHES = Table(
    "batches", "The batches that computed what is published.",
    Grain.WHOLE, "serving", "team:data-engineering", ("batch",),
    (
        Column("batch", Type.COUNT, "The batch's number.", lowest=1),
        Column("started_at", Type.INSTANT, "When it began."),
        Column("run", Type.TEXT, "The run in Dagster that it was part of; null without one.", nullable=True),
    ),
)  # fmt: skip

CHECK_RESULTS = Table(
    "check_results", "How each check of a table came out when it was last evaluated: for what the publication's batch computed, before it was published.",
    Grain.WHOLE, "serving", "team:data-engineering", ("table", "check"),
    (
        Column("table", Type.TEXT, "The table."),
        Column("check", Type.TEXT, "The check."),
        Column("passed", Type.FLAG, "No row breaks a rule."),
        Column("at", Type.INSTANT, "When it was evaluated."),
        Column("rows", Type.COUNT, "The rows it looked at.", lowest=0),
        Column("broken", Type.TEXT, "The rules that are broken and by how many rows, as JSON; {} when none is."),
    ),
)  # fmt: skip

PROVENANCE: tuple[Table, ...] = (SOURCE_FILES, PARTITION_RECEIPTS, BATCHES, CHECK_RESULTS)
"""All of them, in the order in which they are filled."""
