"""A history happens to a home, and what it was like before and after each update.

Belongs here: letting events happen, and keeping account of which files were taken. Does not belong here: which events
there are (`events`), what a change must touch (`expected`) and what must hold (`test_laws`).
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from emma_platform.recompute.batch import materialise, rebuild
from emma_platform.recompute.ledger import Key, batches, partitions
from emma_platform.recompute.plan import Selection
from emma_platform.recompute.recovery import UnknownStoreError
from emma_platform.settings import Settings
from emma_platform_tests.recompute.events import (
    Change,
    Copy,
    Crash,
    Drop,
    Edit,
    Event,
    Filing,
    Materialise,
    Move,
    Rebuild,
    Rename,
    Update,
    Withdraw,
)
from emma_platform_tests.recompute.histories import BROKEN, ESTABLISHED
from emma_platform_tests.recompute.home import Home

Rows = list[tuple[object, ...]]
p = partitions.c


@dataclass(frozen=True)
class State:
    """A home after an update.

    Attributes:
        files: of every file that was ever taken, the last text that could be read.
        settings: what was set.
        tables: the rows of every table, in order.
    """

    files: Mapping[str, str]
    settings: Settings
    tables: Mapping[str, Rows]


@dataclass(frozen=True)
class Moment:
    """From one update to the next that came to its end.

    Attributes:
        computed: by table, the partitions computed in between.
        by_hand: by table, the partitions among them that somebody asked for; None when it was all that there is.
        straight: nothing was changed between an update that failed and the next, so no work was done in vain.
    """

    before: State
    after: State
    computed: Mapping[str, set[Key]]
    by_hand: Mapping[str, set[Key]] | None
    straight: bool


class Failed(Exception):  # noqa: N818 - not an error of the platform
    """The update fails here."""


@dataclass
class FailsAt:
    """An observer that fails at a step, the first is 1."""

    left: int

    def progress(self, layer: str, done: int, total: int) -> None:
        pass

    def step(self, name: str) -> None:
        self.left -= 1
        if not self.left:
            raise Failed(name)


@dataclass
class Life:
    """A home to which events happen."""

    home: Home
    landing: dict[str, str] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)
    by_hand: dict[str, set[Key]] | None = field(default_factory=dict)
    failed: bool = False
    straight: bool = True

    def __post_init__(self) -> None:
        self._batch = self._newest_batch()
        self._before = self._state()

    def happen(self, event: Event) -> Moment | None:
        """Let an event happen; what became of the home, when it was an update that came to its end."""
        match event:
            case Change(setting, value):
                self.home.change(**{setting: value})
                self.straight &= not self.failed
            case Crash(step):
                return self._fail(step)
            case Materialise(table, key):
                self._materialise(table, key)
            case Rebuild(store, first):
                return self._rebuild(store, first)
            case Update():
                self.home.update()
                return self._moment()
            case _:
                self._file(event)
        return None

    def _file(self, event: Filing) -> None:
        match event:
            case Drop(name, text):
                self._drop(name, text)
            case Copy(name, to) if name in self.landing:
                self._drop(to, self.landing[name])
            case Rename(name, to) if name in self.landing and name != to and self._is_settled(name):
                self._drop(to, self.landing[name])
                self._withdraw(name)
            case Move(name, to, rows) if self.landing.keys() >= {name, to} and name != to:
                self._move(name, to, rows)
            case Edit(name, line, text) if self.landing.get(name, BROKEN) != BROKEN:
                header, *lines = self.landing[name].splitlines(keepends=True)
                lines[line - 2 : line - 1] = [text] if text else []
                self._drop(name, "".join([header, *lines]))
            case Withdraw(name) if name in self.landing and self._is_settled(name):
                self._withdraw(name)

    def _drop(self, name: str, text: str) -> None:
        if text == BROKEN and not self._is_settled(name):
            return
        self.home.drop(name, text)
        self.landing[name] = text
        self.straight &= not self.failed

    def _withdraw(self, name: str) -> None:
        self.home.withdraw(name)
        del self.landing[name]
        self.straight &= not self.failed

    def _move(self, name: str, to: str, rows: int) -> None:
        header, *lines = self.landing[name].splitlines(keepends=True)
        if BROKEN in (self.landing[name], self.landing[to]):
            return
        self._drop(to, self.landing[to] + "".join(lines[-rows:]))
        self._drop(name, header + "".join(lines[:-rows]))

    def _is_settled(self, name: str) -> bool:
        """It is known whether the file as it lies there was taken; after a failure nobody can say."""
        return not self.failed or self.landing.get(name) == self.taken.get(name)

    def _fail(self, step: int) -> Moment | None:
        try:
            self.home.update(FailsAt(step))
        except Failed:
            self.failed = True
            return None
        return self._moment()

    def _materialise(self, table: str, key: Key) -> None:
        materialise(self.home.platform, Selection(frozenset({table}), frozenset({key})))
        if self.by_hand is not None:
            self.by_hand.setdefault(table, set()).add(key)

    def _rebuild(self, store: str | None, first: object) -> Moment | None:
        try:
            rebuild(self.home.platform, store=store, first=first)  # type: ignore[arg-type]
        except UnknownStoreError:
            return None
        self.by_hand = None
        return self._moment()

    def _moment(self) -> Moment:
        self.taken |= {name: text for name, text in self.landing.items() if text != BROKEN}
        after = self._state()
        found = Moment(self._before, after, self._computed(), self.by_hand, self.straight)
        self._before, self.by_hand, self.failed, self.straight = after, {}, False, True
        return found

    def _state(self) -> State:
        return State(dict(self.taken), self.home.settings, self.home.everything())

    def _computed(self) -> dict[str, set[Key]]:
        found: dict[str, set[Key]] = {}
        with self.home.platform.ledger.transaction() as connection:
            for table, store, on in connection.execute(
                sa.select(p.table_name, p.store, p.day).where(p.batch > self._batch)
            ):
                found.setdefault(table, set()).add(Key(store, on))
        self._batch = self._newest_batch()
        return found

    def _newest_batch(self) -> int:
        with self.home.platform.ledger.transaction() as connection:
            return connection.scalar(sa.select(sa.func.max(batches.c.id))) or 0


def live(life: Life, history: Iterable[Event]) -> Iterator[Moment]:
    """Let a history happen, and a last update."""
    for event in (*history, Update()):
        moment = life.happen(event)
        if moment is not None:
            yield moment


def begin(folder: Path, history: Sequence[Event]) -> tuple[Life, Sequence[Event]]:
    """A life in a folder and what is to happen in it: an established chain is not established anew each time."""
    start = len(ESTABLISHED)
    if tuple(history[:start]) != ESTABLISHED:
        return Life(Home(folder)), history
    saved = _established()
    shutil.copytree(saved.home.settings.home, folder, symlinks=True)
    return Life(saved.home.moved(folder), dict(saved.landing), dict(saved.taken)), history[start:]


@cache
def _established() -> Life:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    life = Life(Home(folder / "home"))
    for event in ESTABLISHED:
        life.happen(event)
    life.home.platform.ledger.close()
    return life


def settled(files: Mapping[str, str], home: Home) -> Home:
    """A home where all these files arrive at once."""
    for name, text in sorted(files.items(), reverse=True):
        home.drop(name, text)
    home.update()
    return home
