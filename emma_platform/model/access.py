"""Who may do and see what: roles, permissions, and the stores a person may see.

Belongs here: the words and the table of rights. Does not belong here: who is signed in (`web.auth`) and enforcing it
(`serving.reader` for stores, `web` for permissions).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Permission(StrEnum):
    """Something that a person may do."""

    READ = "read"
    """See figures, forecasts, advice and receipts of one's stores."""
    EXPORT = "export"
    """Take rows away as files, and use the API with a token."""
    DECIDE = "decide"
    """Accept, change or decline price advice."""
    QUERY = "query"
    """Ask in SQL; only for who may see every store."""
    LINEAGE = "lineage"
    """Look at Dagster."""
    OPERATE = "operate"
    """Start runs, backfills, sensors and schedules in Dagster."""
    ADMINISTER = "administer"
    """Users, their roles and stores, their sessions, the audit log."""


class Role(StrEnum):
    """What a person is in the company; a role is a set of permissions."""

    OWNER = "owner"
    ANALYST = "analyst"
    MANAGER = "manager"
    ENGINEER = "engineer"

    @property
    def permissions(self) -> frozenset[Permission]:
        """What the role may do."""
        return _RIGHTS[self]


_RIGHTS = {
    Role.OWNER: frozenset(Permission) - {Permission.OPERATE},
    Role.ANALYST: frozenset({Permission.READ, Permission.EXPORT, Permission.QUERY, Permission.LINEAGE}),
    Role.MANAGER: frozenset({Permission.READ, Permission.EXPORT, Permission.DECIDE}),
    Role.ENGINEER: frozenset({Permission.READ, Permission.EXPORT, Permission.LINEAGE, Permission.OPERATE}),
}


@dataclass(frozen=True, slots=True)
class StoreScope:
    """The stores that somebody may see; every answer of the reader is within one.

    Attributes:
        stores: their names; None for every store, also those that are still to come.
    """

    stores: frozenset[str] | None = None

    @classmethod
    def of(cls, *stores: str) -> StoreScope:
        """Only these stores."""
        return cls(frozenset(stores))

    @property
    def whole(self) -> bool:
        """Every store may be seen."""
        return self.stores is None

    def allows(self, store: str) -> bool:
        """This store may be seen."""
        return self.stores is None or store in self.stores

    def narrow(self, asked: Collection[str] | None) -> frozenset[str] | None:
        """What to read when `asked` is asked for (None: everything): never more than may be seen."""
        if asked is None:
            return self.stores
        return frozenset(asked) if self.stores is None else self.stores & frozenset(asked)


EVERY_STORE = StoreScope()
"""The scope of who runs the platform: the command line, the demo, the batch."""
