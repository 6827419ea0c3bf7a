"""The command line: each verb calls one function.

Belongs here: options, what is printed, exit statuses. Does not belong here: any work.
Exit status: 0 done; 1 failed, with a remedy on stderr; 2 used wrongly.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emma_platform.cli_advise import advise
from emma_platform.cli_serve import demo, dev, serve
from emma_platform.cli_user import user
from emma_platform.cli_verb import verb

if TYPE_CHECKING:
    from emma_platform.settings import Settings

FORMATS = ("csv", "parquet", "xlsx")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="emma-platform")
def main() -> None:
    """Retail KPIs, sales forecasts and price recommendations from dropped files."""


_command = verb(main)
for group in (advise, user, serve, dev, demo):
    main.add_command(group)


def _check_span(first: datetime | None, last: datetime | None) -> None:
    if first and last and first > last:
        raise click.UsageError("--from is after --to.")


@_command
def update(settings: Settings) -> None:
    """Take what was dropped and compute everything it affects, now."""
    from emma_platform.console import console, show_batch, watching
    from emma_platform.pipeline.priority import stand_back
    from emma_platform.pipeline.run import run_update

    stand_back(settings.batch_nice)
    with watching() as observer:
        report = run_update(settings, observer)
    show_batch(console, report)


@click.option("--store", help="Only this store.")
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="First day.")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="Last day.")
@_command
def rebuild(settings: Settings, store: str | None, first: datetime | None, last: datetime | None) -> None:
    """Compute everything, or some stores and days, again from the archived files."""
    from emma_platform.console import console, show_batch, watching
    from emma_platform.pipeline.priority import stand_back
    from emma_platform.pipeline.run import run_rebuild

    _check_span(first, last)
    stand_back(settings.batch_nice)
    with watching() as observer:
        report = run_rebuild(
            settings, observer, store=store, first=first.date() if first else None, last=last.date() if last else None
        )
    show_batch(console, report)


@_command
def maintain(settings: Settings) -> None:
    """Delete what nobody needs any more: replaced files, old runs and events."""
    from emma_platform.console import console, show_maintenance, watching
    from emma_platform.pipeline.priority import stand_back
    from emma_platform.pipeline.run import run_maintenance

    stand_back(settings.batch_nice)
    with watching() as observer:
        done = run_maintenance(settings, observer)
    show_maintenance(console, done)


@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@_command
def status(settings: Settings, as_json: bool) -> None:
    """What is there, how fresh it is, and what waits, fails or was set aside."""
    from emma_platform.console import console, show_status
    from emma_platform.recompute.platform import open_platform
    from emma_platform.recompute.status import status as state_of

    state = state_of(open_platform(settings))
    if as_json:
        click.echo(json.dumps(state, indent=2, ensure_ascii=False))
    else:
        show_status(console, state)


@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("-"), help="The file; - is stdout.")
@click.option("--format", "as_format", type=click.Choice(FORMATS), default=None, help="By the file's ending, else csv.")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="Last day.")
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="First day.")
@click.option("--store", "stores", multiple=True, help="Only this store; may be repeated.")
@click.argument("table")
@_command
def export(
    settings: Settings,
    table: str,
    stores: tuple[str, ...],
    first: datetime | None,
    last: datetime | None,
    as_format: str | None,
    output: Path,
) -> None:
    """Write a published TABLE as CSV, Parquet or Excel."""
    from emma_platform.model.access import EVERY_STORE
    from emma_platform.serving.export import export as write
    from emma_platform.serving.reader import Reader

    _check_span(first, last)
    ending = output.suffix.removeprefix(".")
    rows = write(
        Reader(settings.published),
        EVERY_STORE,
        table,
        stores=stores or None,
        first_day=first.date() if first else None,
        last_day=last.date() if last else None,
        format=as_format or (ending if ending in FORMATS else "csv"),
        out=sys.stdout.buffer if str(output) == "-" else output,
    )
    click.echo(f"{rows:,} rows of {table}", err=True)


@click.option("--plot", type=click.Path(path_type=Path), help="Also draw it into this PNG file.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.option("--by", type=click.Choice(["store", "category", "product"]), help="List the change by this as well.")
@click.option("--against", default="previous", show_default=True, metavar="PERIOD",
              help="previous: as many days right before; year: 52 weeks before; or DATE..DATE.")  # fmt: skip
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="Last day; by default the last known.")
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="First day; by default four weeks.")
@click.option("--product", help="Only this product.")
@click.option("--category", "categories", multiple=True, help="Only this category; may be repeated.")
@click.option("--store", "stores", multiple=True, help="Only this store; may be repeated.")
@click.option("--kpi", type=click.Choice(["revenue", "gross_margin", "units", "receipts"]), default="revenue",
              show_default=True, help="The key figure.")  # fmt: skip
@_command
def why(
    settings: Settings,
    kpi: str,
    stores: tuple[str, ...],
    categories: tuple[str, ...],
    product: str | None,
    first: datetime | None,
    last: datetime | None,
    against: str,
    by: str | None,
    as_json: bool,
    plot: Path | None,
) -> None:
    """Say why a key figure moved between two periods: parts that sum to its change."""
    from emma_platform.console import console
    from emma_platform.console_change import show_change
    from emma_platform.model.access import EVERY_STORE
    from emma_platform.serving.changes import explain_change
    from emma_platform.serving.periods import period
    from emma_platform.serving.reader import Reader

    _check_span(first, last)
    reader = Reader(settings.published)
    second = period(reader, EVERY_STORE, first.date() if first else None, last.date() if last else None)
    try:
        before = second.other(against)
    except ValueError as error:
        raise click.UsageError(f"--against is previous, year or DATE..DATE, not {against!r}.") from error
    change = explain_change(
        reader,
        EVERY_STORE,
        kpi,
        before,
        second,
        stores=stores or None,
        categories=categories or None,
        product=product,
        by=by,
    )
    if plot:
        from emma_platform.serving.waterfall import waterfall

        plot.write_bytes(waterfall(change))
    if as_json:
        click.echo(json.dumps(change.to_json(), indent=2, ensure_ascii=False))
    else:
        show_change(console, change)


@click.option("--plot", type=click.Path(path_type=Path), help="Also draw it into this PNG file.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.option("--ahead", type=click.Choice(["1", "7", "28"]), default="7", show_default=True,
              help="List the parts by forecasts made so many days before.")  # fmt: skip
@click.option("--by", type=click.Choice(["store", "category", "product"]),
              help="The parts; by default stores, of one store categories, of a category products.")  # fmt: skip
@click.option("--product", help="Only this product.")
@click.option("--category", help="Only this category.")
@click.option("--store", "stores", multiple=True, help="Only this store; may be repeated.")
@_command
def report(
    settings: Settings,
    stores: tuple[str, ...],
    category: str | None,
    product: str | None,
    by: str | None,
    ahead: str,
    as_json: bool,
    plot: Path | None,
) -> None:
    """Say how good the forecasts of the last four weeks were: what was forecast, and what happened."""
    from emma_platform.console import console
    from emma_platform.console_report import show_report
    from emma_platform.model.access import EVERY_STORE
    from emma_platform.serving.reader import Reader
    from emma_platform.serving.report_card import report_card

    if plot and product:
        raise click.UsageError("--plot draws totals: leave out --product, or --plot.")
    found = report_card(
        Reader(settings.published), EVERY_STORE, stores=stores or None, category=category, product=product, by=by
    )
    if plot:
        from emma_platform.serving.report_picture import picture

        plot.write_bytes(picture(found, int(ahead)))
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
    else:
        show_report(console, found, int(ahead))


if __name__ == "__main__":
    main()
