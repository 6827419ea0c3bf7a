"""Several tables as one file, read where it lies.

Belongs here: writing and mapping one. Does not belong here: what is in it (`store_pages`, `at_hand`).

Rows lie in the file as Arrow has them in memory. So nothing is parsed or copied before rows are taken, the processes
that read it share the system's one copy, and it takes no memory of theirs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa


def write(file: Path, tables: Iterable[pa.Table]) -> None:
    """Write the tables, whole under the file's name or not at all."""
    unfinished = file.with_name(f".{file.name}.partial")
    with unfinished.open("wb") as handle:
        for rows in tables:
            with pa.ipc.new_stream(handle, rows.schema) as stream:
                stream.write_batch(one_batch(rows))
        handle.flush()
        os.fsync(handle.fileno())
    unfinished.replace(file)


def mapped(file: Path, count: int) -> list[pa.RecordBatch]:
    """The first tables of a file, each in one piece.

    Raises:
        OSError: there is no such file.
        pyarrow.ArrowException: it holds no such tables.
    """
    # Closing gives the handle back; what is mapped stays as long as rows of it are held.
    with pa.memory_map(str(file)) as source:
        return [one_batch(pa.ipc.open_stream(source).read_all()) for _ in range(count)]


def one_batch(rows: pa.Table) -> pa.RecordBatch:
    """The rows as one batch: without a copy where they are in one piece."""
    columns: list[Any] = [
        column.chunk(0) if column.num_chunks == 1 else column.combine_chunks() for column in rows.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=rows.schema)
