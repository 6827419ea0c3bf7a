"""Headers: what kind of rows a file holds and which of its columns is which canonical one.

Belongs here: the comparison of names, the guess of the kind, and the error that says how to map what does not fit.
Does not belong here: `sources.yaml` itself (`mapping`) and the rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from emma_platform.model.tables import INPUT_COLUMNS
from emma_platform.sources.mapping import Entry
from emma_platform.sources.protocol import SourceError

_BY_NAME = tuple(kind for kind in INPUT_COLUMNS if kind != "sales")
_OF_SALES_ONLY = ("receipt", "soldat", "quantity")
_JOINERS = re.compile(r"[\s_-]+")


def plain(name: str) -> str:
    """A column's name without what does not matter: case, spaces, underscores and hyphens."""
    return _JOINERS.sub("", name.casefold())


@dataclass(frozen=True, slots=True)
class Binding:
    """How a file's columns are read.

    Attributes:
        input: the kind of rows.
        columns: the file's column of each canonical one it has.
        constants: the value of each canonical column that sources.yaml gives.
    """

    input: str
    columns: Mapping[str, str]
    constants: Mapping[str, str]

    @property
    def wanted(self) -> list[str]:
        """The file's columns that are used, each once."""
        return list(dict.fromkeys(self.columns.values()))


def known_names(entry: Entry | None) -> frozenset[str]:
    """The names, made plain, that a header of this entry may hold; without an entry those of every kind."""
    kinds = [entry.table] if entry else list(INPUT_COLUMNS)
    theirs = entry.columns.values() if entry else ()
    canonical = [column for kind in kinds for part in INPUT_COLUMNS[kind] for column in part]
    return frozenset(plain(column) for column in [*canonical, *theirs])


def bind(header: tuple[str, ...], *, name: str, entry: Entry | None) -> Binding:
    """Which column is which.

    Raises:
        SourceError: a column stands twice in the header, or one that is required is missing.
    """
    found: dict[str, str] = {}
    for column in header:
        if not column:
            continue
        if plain(column) in found:
            raise SourceError(f"{name}: the header has {column!r} twice. Rename or remove one of the two columns.")
        found[plain(column)] = column
    kind = entry.table if entry else _guess(name, found)
    theirs = entry.columns if entry else {}
    constants = entry.constants if entry else {}
    required, optional = INPUT_COLUMNS[kind]
    columns = {
        column: found[plain(theirs.get(column, column))]
        for column in required + optional
        if column not in constants and plain(theirs.get(column, column)) in found
    }
    missing = [
        c for c in required + tuple(c for c in theirs if c in optional) if c not in columns and c not in constants
    ]
    if missing:
        raise _missing(name, kind, missing, header, entry)
    return Binding(kind, columns, constants)


def _guess(name: str, found: Mapping[str, str]) -> str:
    """The kind of a file without an entry: sales if it has all their columns, else by its path, else by its header."""
    if all(plain(column) in found for column in INPUT_COLUMNS["sales"][0]):
        return "sales"
    if named := kind_by_name(name):
        return named
    if any(column in found for column in _OF_SALES_ONLY):
        return "sales"
    covered = [kind for kind in _BY_NAME if _covers(kind, found)]
    return max(covered, key=lambda kind: len(INPUT_COLUMNS[kind][0]), default="sales")


def kind_by_name(name: str) -> str | None:
    """The kind that a file's path names, such as `stock/2026-11-22.csv`, or none."""
    for part in reversed(name.casefold().split("/")):
        for kind in _BY_NAME:
            if part.startswith(kind):
                return kind
    return None


def _covers(kind: str, found: Mapping[str, str]) -> bool:
    """All required columns are there; where that is the key alone, something that it is the key of as well."""
    required, optional = INPUT_COLUMNS[kind]
    if not all(plain(column) in found for column in required):
        return False
    return len(required) > 1 or any(plain(column) in found for column in optional)


def _missing(name: str, kind: str, missing: list[str], header: tuple[str, ...], entry: Entry | None) -> SourceError:
    theirs = entry.columns if entry else {}
    lines = ", ".join(f"{column}: {theirs.get(column, '?')}" for column in missing)
    where = "Correct the entry of" if entry else "Write into"
    return SourceError(
        f"{name} lacks the {kind} column{'s' if len(missing) > 1 else ''} {', '.join(missing)}. "
        f"Found: {', '.join(header)}. {where} sources.yaml, with the file's own names in place of each ?:\n"
        f'- pattern: "{entry.pattern if entry else name}"\n  table: {kind}\n  columns: {{{lines}}}\n'
        'If the columns found are glued together, add a line such as   delimiter: ";"'
    )
