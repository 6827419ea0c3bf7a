"""The seam of the storage: tables with versions, replaced piece by piece, each change whole or not at all.

Belongs here: the Protocol every store fulfils and the words it speaks. Does not belong here: any one storage.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Whole:
    """Replace everything in the table."""


@dataclass(frozen=True, slots=True)
class Stores:
    """Replace all rows of these stores."""

    stores: frozenset[str]


@dataclass(frozen=True, slots=True)
class Days:
    """Replace the rows of these days, store by store; the store None stands for the rows without a store-day."""

    days: Mapping[str | None, frozenset[date]]


Replace = Whole | Stores | Days


@dataclass(frozen=True, slots=True)
class Files:
    """Parquet files that hold a version of a table or a part of it, and perhaps rows beyond the part asked for."""

    table: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """So many data files of so many bytes."""

    files: int = 0
    bytes: int = 0

    def __add__(self, other: Size) -> Size:
        """Both together."""
        return Size(self.files + other.files, self.bytes + other.bytes)


class StoreError(Exception):
    """The storage cannot do what was asked; the message names the table and the remedy."""


class NoVersionError(StoreError):
    """A version that is not there: it was never made, or maintenance removed it."""


class TableStore(Protocol):
    """Where tables are kept. One process writes at a time; any number read, and never meet half a change."""

    def commit(self, table: str, rows: pa.Table, replace: Replace, metadata: Mapping[str, str]) -> int:
        """Put rows in the place of what `replace` names, in one commit, and return the new version.

        Rows have the columns of the table in any order. An empty frame empties what is replaced.

        Raises:
            StoreError: a column is missing or of another type, or a row lies outside of what is replaced.
        """
        ...

    def version(self, table: str) -> int | None:
        """The newest version, or None when nothing was ever committed."""
        ...

    def restore(self, table: str, version: int | None) -> None:
        """Make an earlier version the newest again; None empties the table. Nothing happens when it is the newest."""
        ...

    def files(
        self,
        table: str,
        *,
        version: int | None = None,
        stores: Collection[str | None] | None = None,
        months: Collection[str] | None = None,
    ) -> Files:
        """The files of a version (the newest by default), pruned to those that may hold the given stores and months."""
        ...

    def read(
        self,
        table: str,
        *,
        version: int | None = None,
        stores: Collection[str | None] | None = None,
        months: Collection[str] | None = None,
        columns: Collection[str] | None = None,
    ) -> pa.Table:
        """The rows of a version, exactly those of the given stores and months, with the schema of `model.tables`."""
        ...

    def maintain(self, table: str, keep: Collection[int]) -> Size:
        """Delete what neither a kept version nor the newest needs, and shorten the log; returns what was deleted.

        Raises:
            NoVersionError: there is no such version; nothing was deleted.
        """
        ...

    def replaced(self, table: str, since: int | None) -> Size:
        """The files that commits after a version took out of the table, all commits for None; what costs no sweep."""
        ...
