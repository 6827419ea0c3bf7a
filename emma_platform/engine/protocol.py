"""The seam of the engine: what runs the relational transforms over a batch.

Belongs here: the Protocol every engine fulfils. Does not belong here: the transforms (`transforms/*.sql`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from emma_platform.store.protocol import Files


@dataclass(frozen=True, slots=True)
class Part:
    """Of the rows in some files those of the given store-days, a frame of `store` and `day`; read where it is used."""

    files: Files
    days: pa.Table


Input = Files | Part | pa.Table


class Engine(Protocol):
    """Runs SQL over Parquet files and Arrow frames."""

    def run(self, sql: str, tables: Mapping[str, Input], parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """The result of one SELECT in the portable subset of DuckDB SQL.

        Args:
            sql: names its inputs by the keys of `tables` and its parameters as `$name`.
            tables: each a set of Parquet files (an empty set is an empty table of that schema), some store-days of one,
                or an Arrow frame.
            parameters: strings, numbers, dates or lists of strings.
        """
        ...

    def digest(self, rows: pa.Table, by: Sequence[str], columns: Sequence[str]) -> pa.Table:
        """A content hash for each group: the columns `by`, `rows` (count) and `content` (text).

        Equal for equal multisets of rows whatever their order; for different ones different, but for a chance of 2^-64.
        """
        ...
