"""What people see on the console: progress, tables, errors with a remedy.

Belongs here: the look of the command line. Does not belong here: options (`cli`) and the values shown.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from emma_platform.recompute.batch import WAITING

if TYPE_CHECKING:
    from emma_platform.pipeline.maintenance import Upkeep
    from emma_platform.recompute.batch import BatchReport

console = Console()
errors = Console(stderr=True)


class Bars:
    """Shows a bar for each layer of a batch."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def progress(self, layer: str, done: int, total: int) -> None:
        """Move the layer's bar."""
        if layer not in self._bars:
            self._bars[layer] = self._progress.add_task(layer, total=total)
        self._progress.update(self._bars[layer], completed=done, total=total)

    def step(self, name: str) -> None:
        """Say that the batch waits; the other steps are for tests."""
        if name == WAITING:
            self._progress.console.print(f"[dim]{name}[/]")


@contextmanager
def watching() -> Iterator[Bars]:
    """Progress bars on stderr while a batch runs; a line a layer where stderr is no terminal."""
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors) as progress:
        yield Bars(progress)


@contextmanager
def remedied() -> Iterator[None]:
    """Known errors end the command with their message and status 1; unknown ones keep their traceback."""
    from pydantic import ValidationError
    from sqlalchemy.exc import SQLAlchemyError

    from emma_platform.engine.duckdb import EngineError
    from emma_platform.recompute.recovery import UnknownStoreError
    from emma_platform.serving.publication import ServingError
    from emma_platform.sources.protocol import SourceError
    from emma_platform.store.protocol import StoreError
    from emma_platform.web.auth.users import UserError

    try:
        yield
    except (SourceError, StoreError, ServingError, UnknownStoreError, UserError) as error:
        _fail(str(error))
    except EngineError as error:
        _fail(f"{error}\nFree space or memory and run `emma update`; if it stays so, run `emma rebuild`.")
    except SQLAlchemyError as error:
        reason = str(error).splitlines()[0]
        damaged = "not a database" in reason or "disk image is malformed" in reason
        move = " If ledger.db is damaged, move it away; the next `emma update` makes it again." if damaged else ""
        _fail(
            f"The ledger or Dagster's history cannot be read or written: {reason}. Free space, or correct the access "
            f"rights or EMMA_LEDGER_URL, then run `emma update`.{move}"
        )
    except ValidationError as error:
        wrong = "; ".join(f"EMMA_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        _fail(f"{wrong}. docs/commands.md lists every setting.", status=2)
    except BrokenPipeError:
        raise
    except OSError as error:
        _fail(f"{error}; free space or give access, then try again")
    except KeyboardInterrupt:
        errors.print("Stopped; the next `emma update` goes on from here.")
        sys.exit(1)


def _fail(message: str, *, status: int = 1) -> NoReturn:
    """Say what went wrong and end; the message may hold brackets that are no markup."""
    errors.print("[bold red]Error:[/]", escape(message), highlight=False, soft_wrap=True)
    sys.exit(status)


def show_batch(to: Console, report: BatchReport) -> None:
    """What a batch computed, and how long each layer took."""
    if not report.partitions:
        to.print(f"Nothing new ({report.seconds:.1f} s).")
        return
    table = Table("table", "partitions computed", title=f"Batch {report.id}, {report.seconds:.1f} s")
    table.columns[1].justify = "right"
    for name, number in report.partitions.items():
        table.add_row(name, f"{number:,}")
    to.print(table)
    to.print("  ".join(f"{layer} {seconds:.1f} s" for layer, seconds in report.layers.items()), highlight=False)
    if report.publication:
        to.print(f"Published as {report.publication.id}: {report.publication.file}", highlight=False, soft_wrap=True)


def show_status(to: Console, state: dict[str, Any]) -> None:
    """The state of the platform as tables."""
    lines = state["lines"]
    to.print(
        f"[bold]{lines['in']:,}[/] lines in = {lines['clean']:,} clean + {lines['set_aside']:,} set aside"
        f" + {lines['duplicates']:,} duplicates",
        highlight=False,
    )
    _pairs(to, "set aside", state["set_aside_by_reason"])
    _pairs(to, "reference rows set aside", state["reference_set_aside_by_reason"])
    _pairs(to, "partitions", state["partitions"])
    _pairs(to, "partitions to compute at the next update", state["stale"])
    files = state["files"]
    _pairs(to, "files", {name: number for name, number in files.items() if isinstance(number, int)})
    _pairs(to, "files waiting", files.get("waiting_for", {}))
    for failing in state["failing"]:
        tried = f" (tried {failing['attempts']} times)" if failing["attempts"] else ""
        to.print("[bold red]failing[/]", escape(f"{failing['file']}{tried}: {failing['error']}"),
                 highlight=False, soft_wrap=True)  # fmt: skip
    if "landing" in files:
        to.print("[bold red]landing[/]", escape(files["landing"]), highlight=False, soft_wrap=True)
    _stores(to, state["stores"])
    if state["publication"]:
        to.print(f"published as {state['publication']['id']} at {state['publication']['at']}", highlight=False)
    if state["last_batch"]:
        batch = state["last_batch"]
        to.print(f"last batch {batch['id']}: {batch['started_at']}, {batch['seconds']:.1f} s", highlight=False)
    _show_due(to, state["maintenance"])


def _show_due(to: Console, state: dict[str, Any]) -> None:
    """One line: the last maintenance, what has gathered since, and whether it should have run."""
    last = f"last {state['last']}, " if state["last"] else "never yet, "
    gathered = f"{state['replaced_files']:,} files ({state['replaced_bytes'] / 1e6:,.1f} MB) replaced since"
    overdue = "; [bold]due: emma maintain[/]" if state["due"] else ""
    to.print(f"maintenance: {last}{gathered}{overdue}", highlight=False)


def show_maintenance(to: Console, done: Upkeep) -> None:
    """What maintenance deleted."""
    to.print(
        f"Deleted {done.home.deleted.files:,} data files, {done.dagster.runs:,} runs and {done.dagster.events:,} events"
        f" of Dagster, {done.home.ledger_rows:,} rows of the ledger;"
        f" {(done.home.freed_bytes + done.dagster.bytes) / 1e6:,.1f} MB freed.",
        highlight=False,
        soft_wrap=True,
    )
    if done.home.left_alone:
        to.print(
            f"Left alone: {', '.join(done.home.left_alone)}. A kept publication shows a state of them that is not in"
            " the lake; they are maintained again when it is kept no more.",
            highlight=False,
            soft_wrap=True,
        )


def _pairs(to: Console, title: str, values: dict[str, Any]) -> None:
    if not values:
        return
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    for name, value in list(values.items())[:40]:
        table.add_row(escape(name), f"{value:,}" if isinstance(value, int) else escape(str(value)))
    to.print(table)
    if len(values) > 40:  # noqa: PLR2004 - a screenful
        to.print(f"  … and {len(values) - 40:,} more; emma status --json lists all", highlight=False)


def _stores(to: Console, stores: list[dict[str, Any]]) -> None:
    if not stores:
        return
    table = Table("store", "first day", "last day", "days", "lines", title="stores", title_justify="left")
    for store in stores[:40]:
        table.add_row(
            escape(store["store"]), store["first_day"], store["last_day"], f"{store['days']:,}", f"{store['lines']:,}"
        )
    to.print(table)
    if len(stores) > 40:  # noqa: PLR2004 - a screenful
        to.print(f"  … and {len(stores) - 40:,} more; emma status --json lists all", highlight=False)
