"""`emma user`: who may sign in, on the machine itself.

Belongs here: options of these verbs and what they print. Does not belong here: any work (`web.auth.administration`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from emma_platform.cli_verb import verb
from emma_platform.model.access import Permission, Role

if TYPE_CHECKING:
    from emma_platform.settings import Settings
    from emma_platform.web.auth.administration import Administration
    from emma_platform.web.auth.users import User


@click.group()
def user() -> None:
    """Who may sign in: users, their roles and stores, one-time links, tokens."""


_command = verb(user)
_NAME = click.argument("name")
_ROLES = click.Choice([role.value for role in Role])
_PERMISSIONS = click.Choice([permission.value for permission in Permission])
_STORES = click.option("--store", "stores", multiple=True, help="A store of a manager; may be repeated.")


@contextmanager
def _administration(settings: Settings) -> Iterator[Administration]:
    from sqlalchemy.exc import SQLAlchemyError

    from emma_platform.web.auth.administration import Administration
    from emma_platform.web.auth.attempts import clock
    from emma_platform.web.auth.database import UserDatabase

    try:
        database = UserDatabase(settings.users)
        with closing(database), database.writing() as connection:
            yield Administration(connection, clock())
    except SQLAlchemyError as error:
        reason = str(error).splitlines()[0]
        raise click.ClickException(
            f"The users' database cannot be read or written: {reason}. Give access, or correct EMMA_USERS_URL."
        ) from error


def _of(change: Administration, name: str) -> User:
    from emma_platform.web.auth.users import named

    return named(change.connection, name)


def _show_link(settings: Settings, name: str, token: str) -> None:
    from emma_platform.web.auth.links import address

    click.echo(f"{name} chooses a password here, once, within 24 hours:\n{address(settings, token)}")


@_STORES
@click.option("--role", type=_ROLES, required=True, help="What they are.")
@_NAME
@_command
def add(settings: Settings, name: str, role: str, stores: tuple[str, ...]) -> None:
    """Add the user NAME, and print the one-time link to choose a password."""
    with _administration(settings) as change:
        _, token = change.add(name, Role(role), stores)
    _show_link(settings, name, token)


@_command
def list_(settings: Settings) -> None:
    """List the users, and how they sign in."""
    from rich.markup import escape
    from rich.table import Table

    from emma_platform.console import console
    from emma_platform.web.auth.users import everyone

    with _administration(settings) as change:
        found = everyone(change.connection)
    table = Table("user", "role", "stores", "signing in")
    for one in found:
        state = "disabled" if one.disabled else "password" if one.password_hash else "no password yet"
        factor = ", second factor" if one.totp_secret else ""
        table.add_row(one.name, one.role.value, escape(", ".join(sorted(one.stores))) or "all", state + factor)
    console.print(table)


@_NAME
@_command
def link(settings: Settings, name: str) -> None:
    """Print a new one-time link to choose a password; earlier ones of NAME end."""
    with _administration(settings) as change:
        token = change.link(_of(change, name))
    _show_link(settings, name, token)


@_STORES
@click.option("--role", type=_ROLES, required=True, help="What they are now.")
@_NAME
@_command
def change(settings: Settings, name: str, role: str, stores: tuple[str, ...]) -> None:
    """Give NAME another role and other stores; they have to sign in anew."""
    _simple(settings, name, lambda change, one: change.change(one, Role(role), stores))


@_NAME
@_command
def disable(settings: Settings, name: str) -> None:
    """Bar NAME from signing in, and sign them out everywhere."""
    _simple(settings, name, lambda change, one: change.disable(one))


@_NAME
@_command
def enable(settings: Settings, name: str) -> None:
    """Let NAME sign in again."""
    _simple(settings, name, lambda change, one: change.enable(one))


@_NAME
@_command
def end_sessions(settings: Settings, name: str) -> None:
    """Sign NAME out everywhere."""
    _simple(settings, name, lambda change, one: change.end_sessions(one))


@_NAME
@_command
def reset_second_factor(settings: Settings, name: str) -> None:
    """Take away a second factor that NAME lost, and sign them out everywhere."""
    _simple(settings, name, lambda change, one: change.reset_second_factor(one))


@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="Until it ends.")
@_STORES
@click.option("--permission", "permissions", multiple=True, default=("read", "export"), show_default=True,
              type=_PERMISSIONS, help="What it may do; may be repeated.")  # fmt: skip
@click.option("--label", default="made on the command line", show_default=True, help="What it is for.")
@_NAME
@_command
def token(
    settings: Settings, name: str, label: str, permissions: tuple[str, ...], stores: tuple[str, ...], days: int
) -> None:
    """Print a new API token in the name of NAME: never more than NAME may."""
    from emma_platform.web.auth.tokens import Asked

    with _administration(settings) as change:
        ends = change.now + timedelta(days=days)
        asked = Asked(label, frozenset(map(Permission, permissions)), frozenset(stores) or None, ends)
        made = change.make_token(_of(change, name), asked)
    click.echo(made)


def _simple(settings: Settings, name: str, work: Callable[[Administration, User], Any]) -> None:
    with _administration(settings) as change:
        work(change, _of(change, name))
    click.echo("Done.", err=True)
