"""`emma advise`: price advice to decide on, the decisions, and what came of them.

Belongs here: options of these verbs. Does not belong here: any work, and what it looks like (`console_advice`).
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emma_platform.cli_verb import verb

if TYPE_CHECKING:
    from emma_platform.settings import Settings


@click.group()
def advise() -> None:
    """Price advice: what waits for a decision, deciding, and what it brought."""


_command = verb(advise)
_AS_JSON = click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")


class _Price(click.ParamType[Decimal]):
    """An amount of money, exactly as written."""

    name = "price"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:  # noqa: ANN401 - click
        try:
            price = Decimal(str(value))
        except InvalidOperation:
            self.fail(f"{value!r} is no price; write it like 2.49", param, ctx)
        if not price.is_finite():
            self.fail(f"{value!r} is no price; write it like 2.49", param, ctx)
        return price


def _deciding(function: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments and options that every decision has."""
    for add in (
        click.argument("store"),
        click.argument("product"),
        click.option("--reason", help="Why, in your words."),
        click.option("--by", "decided_by", default=getpass.getuser, show_default="who is logged in",
                     help="Who decides."),
        click.option("--publication", help="The publication you looked at; refused if the advice has changed since."),
    ):  # fmt: skip
        function = add(function)
    return function


@click.option("--all", "everything", is_flag=True, help="Also what is decided already.")
@click.option("--store", help="Only this store.")
@_AS_JSON
@_command
def list_(settings: Settings, store: str | None, everything: bool, as_json: bool) -> None:
    """List the advice that waits for a decision, the largest expected gain first, and the price tests worth doing."""
    from emma_platform.console import console
    from emma_platform.console_advice import advice_json, show_advice, show_tests
    from emma_platform.model.access import EVERY_STORE
    from emma_platform.serving.advice import all_advice
    from emma_platform.serving.experiments import experiments
    from emma_platform.serving.reader import Reader

    reader = Reader(settings.published)
    found = [
        one
        for one in all_advice(reader, EVERY_STORE, settings.landing, store=store)
        if one.is_open or (everything and one.decided)
    ]
    tests = experiments(reader, EVERY_STORE, store=store)
    if as_json:
        click.echo(json.dumps(advice_json(found, tests, reader.publication.id), indent=2, ensure_ascii=False))
    else:
        show_advice(console, found, reader.publication.id)
        show_tests(console, tests)


@_deciding
@_command
def accept(settings: Settings, store: str, product: str, **said: str | None) -> None:
    """Accept the advice for PRODUCT in STORE: the recommended price will be charged."""
    _decide(settings, store, product, "accept", None, **said)


@click.option("--price", type=_Price(), required=True, help="The price to charge, per unit.")
@_deciding
@_command
def change(settings: Settings, store: str, product: str, price: Decimal, **said: str | None) -> None:
    """Decide on another price for PRODUCT in STORE than the recommended one."""
    _decide(settings, store, product, "change", price, **said)


@_deciding
@_command
def decline(settings: Settings, store: str, product: str, **said: str | None) -> None:
    """Decline the advice for PRODUCT in STORE; say why with --reason."""
    _decide(settings, store, product, "decline", None, **said)


def _decide(
    settings: Settings, store: str, product: str, decision: str, price: Decimal | None, **said: str | None
) -> None:
    from emma_platform.console import console
    from emma_platform.console_advice import show_decided
    from emma_platform.model.access import EVERY_STORE
    from emma_platform.serving.advice import decide
    from emma_platform.serving.reader import Reader

    reader = Reader(settings.published)
    show_decided(
        console,
        decide(reader, EVERY_STORE, settings, store, product, decision, price=price, now=datetime.now(UTC), **said),
    )


@click.option("--plot", type=click.Path(path_type=Path), help="Also draw it into this PNG file.")
@click.option("--store", help="Only this store.")
@_AS_JSON
@_command
def account(settings: Settings, store: str | None, as_json: bool, plot: Path | None) -> None:
    """Say what accepted advice promised, and what it delivered against stores that kept their price."""
    from emma_platform.console import console
    from emma_platform.console_advice import show_account
    from emma_platform.model.access import EVERY_STORE
    from emma_platform.serving.advice_account import account as account_of
    from emma_platform.serving.reader import Reader

    found = account_of(Reader(settings.published), EVERY_STORE, store=store)
    if plot:
        from emma_platform.serving.advice_picture import picture

        plot.write_bytes(picture(found))
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
    else:
        show_account(console, found)
