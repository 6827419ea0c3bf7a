"""What a table is: its columns, types, units, key and grain.

Belongs here: the words with which `tables` describes the platform's tables, and their translation to Arrow.
Does not belong here: any particular table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


class Grain(StrEnum):
    """How a table is cut into partitions."""

    STORE_DAY = "store and day"
    STORE = "store"
    WHOLE = "one piece"


class Type(StrEnum):
    """A column's type, spelled as SQL spells it. Sums are decimals, so that no order of adding changes them."""

    TEXT = "varchar"
    DAY = "date"
    INSTANT = "timestamptz"
    COUNT = "bigint"
    FLAG = "boolean"
    QUANTITY = "decimal(18,3)"
    PRICE = "decimal(18,6)"
    MONEY = "decimal(18,4)"
    NUMBER = "double"

    def arrow(self) -> pa.DataType:
        """The Arrow type of this column type."""
        import pyarrow as pa

        types: dict[Type, pa.DataType] = {
            Type.TEXT: pa.string(),
            Type.DAY: pa.date32(),
            Type.INSTANT: pa.timestamp("us", tz="UTC"),
            Type.COUNT: pa.int64(),
            Type.FLAG: pa.bool_(),
            Type.QUANTITY: pa.decimal128(18, 3),
            Type.PRICE: pa.decimal128(18, 6),
            Type.MONEY: pa.decimal128(18, 4),
            Type.NUMBER: pa.float64(),
        }
        return types[self]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its meaning is written for the people who read the table."""

    name: str
    type: Type
    meaning: str
    formula: str = ""
    source: str = ""
    unit: str = ""
    nullable: bool = False
    lowest: float | None = None
    highest: float | None = None
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One table: named as its asset and its path, one row per `key`."""

    name: str
    meaning: str
    grain: Grain
    group: str
    owner: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    inputs: tuple[str, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            KeyError: the table has no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name!r}; it has {', '.join(self.names)}")

    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema: names and types in order, with nullability."""
        import pyarrow as pa

        return pa.schema([pa.field(c.name, c.type.arrow(), nullable=c.nullable) for c in self.columns])
