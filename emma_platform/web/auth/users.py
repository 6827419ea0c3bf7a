"""Users: who there is, their roles and stores.

Belongs here: statements on `users` and `user_stores`. Does not belong here: what proves that somebody is a user
(`passwords`, `second_factor`, `links`) and the log of what was changed (who calls writes it).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from emma_platform.model.access import Permission, Role, StoreScope
from emma_platform.web.auth.schema import user_stores, users

_NAME = re.compile(r"[\w.@+-]{1,100}")


class UserError(ValueError):
    """What was asked for cannot be done; the message says why, in words for who asked."""


@dataclass(frozen=True, slots=True)
class User:
    """A user.

    Attributes:
        id: their number, never given again.
        name: what they sign in with, in small letters.
        role: what they are.
        stores: of a manager the stores, of everybody else empty.
        disabled: they cannot sign in.
        password_hash: as argon2 writes it; None until they chose a password.
        totp_secret: of the second factor; None without.
    """

    id: int
    name: str
    role: Role
    stores: frozenset[str]
    disabled: bool
    password_hash: str | None
    totp_secret: str | None

    @property
    def scope(self) -> StoreScope:
        """The stores that they may see: a manager theirs, everybody else all."""
        return scope_of(self.role, self.stores)


def scope_of(role: Role, stores: Iterable[str]) -> StoreScope:
    """The stores that a role with these stores may see."""
    return StoreScope(frozenset(stores)) if role is Role.MANAGER else StoreScope()


def normal(name: str) -> str:
    """A name as it is kept: people do not remember how they wrote it."""
    return name.strip().casefold()


def add(connection: sa.Connection, name: str, role: Role, stores: Collection[str], now: datetime) -> int:
    """Add a user without a password, and return their number.

    Raises:
        UserError: the name is taken or unusable, or role and stores do not go together.
    """
    known = normal(name)
    if not _NAME.fullmatch(known):
        raise UserError(f"{name!r} is no name: letters, digits and . @ + - _ only, at most 100.")
    _check(role, stores)
    if find(connection, known):
        raise UserError(f"There is a user {known} already.")
    row = connection.execute(
        sa.insert(users).values(name=known, role=role.value, disabled=False, created_at=now).returning(users.c.id)
    )
    number: int = row.scalar_one()
    _set_stores(connection, number, stores)
    return number


def change(connection: sa.Connection, user: int, role: Role, stores: Collection[str]) -> None:
    """Give a user another role and other stores.

    Raises:
        UserError: role and stores do not go together, or nobody could administer users any more.
    """
    _check(role, stores)
    if Permission.ADMINISTER not in role.permissions:
        _keep_an_owner(connection, user)
    connection.execute(sa.update(users).where(users.c.id == user).values(role=role.value))
    connection.execute(sa.delete(user_stores).where(user_stores.c.user_id == user))
    _set_stores(connection, user, stores)


def set_disabled(connection: sa.Connection, user: int, disabled: bool) -> None:
    """Bar a user from signing in, or let them again. Ending their sessions is `sessions.end_all`.

    Raises:
        UserError: nobody could administer users any more.
    """
    if disabled:
        _keep_an_owner(connection, user)
    connection.execute(sa.update(users).where(users.c.id == user).values(disabled=disabled))


def set_password_hash(connection: sa.Connection, user: int, password_hash: str) -> None:
    """Keep the hash of a new password."""
    connection.execute(sa.update(users).where(users.c.id == user).values(password_hash=password_hash))


def see(connection: sa.Connection, user: int, publication: str) -> None:
    """Keep which publication a user has looked at."""
    connection.execute(sa.update(users).where(users.c.id == user).values(seen_publication=publication))


def find(connection: sa.Connection, name: str) -> User | None:
    """The user of a name, however it is written."""
    return next(iter(_found(connection, users.c.name == normal(name))), None)


def get(connection: sa.Connection, user: int) -> User | None:
    """The user of a number."""
    return next(iter(_found(connection, users.c.id == user)), None)


def everyone(connection: sa.Connection) -> list[User]:
    """All users by name."""
    return _found(connection, sa.true())


def named(connection: sa.Connection, name: str) -> User:
    """The user of a name.

    Raises:
        UserError: there is none.
    """
    found = find(connection, name)
    if found is None:
        there = ", ".join(user.name for user in everyone(connection)) or "none"
        raise UserError(f"There is no user {normal(name)!r}; there are: {there}.")
    return found


def _found(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[User]:
    rows = connection.execute(
        sa.select(users, user_stores.c.store)
        .join(user_stores, user_stores.c.user_id == users.c.id, isouter=True)
        .where(condition)
        .order_by(users.c.name)
    ).all()
    stores: dict[int, set[str]] = {}
    for row in rows:
        stores.setdefault(row.id, set()).update([row.store] if row.store is not None else [])
    return [
        User(row.id, row.name, Role(row.role), frozenset(stores[row.id]), row.disabled, row.password_hash,
             row.totp_secret)
        for row in {row.id: row for row in rows}.values()
    ]  # fmt: skip


def _check(role: Role, stores: Collection[str]) -> None:
    if role is Role.MANAGER and not stores:
        raise UserError("A manager needs at least one store.")
    if role is not Role.MANAGER and stores:
        raise UserError(f"Stores are for managers; the role {role.value} sees every store.")
    if any(not store or len(store) > 200 for store in stores):  # noqa: PLR2004 - the column's length
        raise UserError("A store's name has 1 to 200 characters.")


def _keep_an_owner(connection: sa.Connection, leaving: int) -> None:
    administering = [role.value for role in Role if Permission.ADMINISTER in role.permissions]
    row = users.c
    able = sa.select(row.id).where(row.role.in_(administering), ~row.disabled)
    able_now = set(connection.execute(able).scalars())
    if able_now == {leaving}:
        raise UserError("This is the last owner who can sign in; make another one first.")


def _set_stores(connection: sa.Connection, user: int, stores: Collection[str]) -> None:
    if stores:
        connection.execute(sa.insert(user_stores), [{"user_id": user, "store": store} for store in sorted(set(stores))])
