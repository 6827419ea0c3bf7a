"""What can happen to the files and the settings of a small chain, and a history of it as a script to follow by hand.

Belongs here: the events, and the commands that a person would type for them. Does not belong here: which of them are
drawn (`histories`), letting them happen (`life`) and what must hold (`test_laws`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from emma_platform.recompute.ledger import Key


@dataclass(frozen=True)
class Drop:
    """A file arrives, for the first time or again with other rows."""

    name: str
    text: str


@dataclass(frozen=True)
class Copy:
    """The bytes of a file arrive again under another name."""

    name: str
    to: str


@dataclass(frozen=True)
class Rename:
    """A file gets another name."""

    name: str
    to: str


@dataclass(frozen=True)
class Move:
    """The last rows of a file go to the end of another one."""

    name: str
    to: str
    rows: int


@dataclass(frozen=True)
class Edit:
    """One line of a file is another one, or none when `text` is empty; one behind the last is added. 2 is the first."""

    name: str
    line: int
    text: str


@dataclass(frozen=True)
class Withdraw:
    """A file is taken away."""

    name: str


@dataclass(frozen=True)
class Update:
    """`emma update`."""


@dataclass(frozen=True)
class Crash:
    """`emma update` that fails at one of its steps; when it has fewer, it comes to its end."""

    step: int


@dataclass(frozen=True)
class Rebuild:
    """`emma rebuild` of everything, or of a store and the days from `first` on."""

    store: str | None = None
    first: date | None = None


@dataclass(frozen=True)
class Materialise:
    """One partition, computed by hand."""

    table: str
    key: Key


@dataclass(frozen=True)
class Change:
    """A setting gets another value."""

    setting: str
    value: object


Filing = Drop | Copy | Rename | Move | Edit | Withdraw
"""What happens to files."""
Command = Update | Crash | Rebuild | Materialise | Change
"""What is done to the platform."""
Event = Filing | Command


def told(history: Iterable[Event]) -> str:
    """A history as the commands that a person would type in an empty home."""
    return "\n".join(
        line for event in history for line in (_filed(event) if isinstance(event, Filing) else [_commanded(event)])
    )


def _filed(event: Filing) -> Sequence[str]:
    match event:
        case Drop(name, text):
            return [f"cat > 'landing/{name}' <<'END'", *text.splitlines(), "END"]
        case Copy(name, to):
            return [f"cp 'landing/{name}' 'landing/{to}'"]
        case Rename(name, to):
            return [f"mv 'landing/{name}' 'landing/{to}'"]
        case Move(name, to, rows):
            return [
                f"tail -n +2 'landing/{name}' | tail -n {rows} >> 'landing/{to}'",
                f"head -n -{rows} 'landing/{name}' > kept && mv kept 'landing/{name}'",
            ]
        case Edit(name, line, text):
            return [f"# line {line} of landing/{name}: {text.rstrip() or 'taken out'}"]
        case Withdraw(name):
            return [f"rm 'landing/{name}'"]


def _commanded(event: Command) -> str:
    match event:
        case Update():
            return "emma update"
        case Crash(step):
            return f"emma update  # dies at step {step}"
        case Rebuild(store, first):
            options = [f"--store '{store}'" if store else "", f"--from {first}" if first else ""]
            return " ".join(["emma rebuild", *filter(None, options)])
        case Materialise(table, key):
            return f"# in Dagster: materialise {table} {key.day}|{key.store}"
        case Change(setting, value):
            return f"export EMMA_{setting.upper()}='{value}'"
