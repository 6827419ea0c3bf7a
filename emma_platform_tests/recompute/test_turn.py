"""One at a time, first come first served; the dead hold up nobody."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from emma_platform.recompute.turn import QUEUE, turn
from emma_platform_tests.forked import processes

PATIENCE_SECONDS = 60
"""For a busy machine; on a quiet one an answer takes milliseconds."""


def hold(home: Path, ready: Connection, log: Path) -> None:
    """Say that one waits, then that one's turn has come; let it go when told to."""
    with turn(home, lambda: ready.send("waits")):
        with log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        ready.send("holds")
        ready.recv()


class Holder:
    """A process that asks for its turn. What it does not do in time fails the test, which says what that was."""

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        self._connection, there = processes.Pipe()
        self.process = processes.Process(target=hold, args=(home, there, home / "log"))
        self.process.start()
        there.close()

    def said(self, expected: str) -> None:
        assert self._connection.poll(PATIENCE_SECONDS), f"{self.name} never said that it {expected}"
        assert self._connection.recv() == expected, self.name

    def let_go(self) -> None:
        """Tell it to end its turn."""
        self._connection.send("go")

    def ended(self) -> None:
        self.process.join(PATIENCE_SECONDS)
        assert self.process.exitcode == 0, f"{self.name} never ended well after its turn"

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self._connection.close()


Begin = Callable[[str], Holder]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Makes holders of the test's folder; none outlives the test."""
    begun: list[Holder] = []

    def begin(name: str) -> Holder:
        begun.append(Holder(name, tmp_path))
        return begun[-1]

    yield begin
    for one in begun:
        one.kill()


def test_first_come_first_served(begin: Begin, tmp_path: Path) -> None:
    holders = []
    for name in ("first", "second", "third", "fourth", "fifth", "sixth"):
        holders.append(begin(name))
        holders[-1].said("waits" if holders[1:] else "holds")
    for one, after in zip(holders, [*holders[1:], None], strict=True):
        one.let_go()
        if after is not None:
            after.said("holds")
        one.ended()
    assert (tmp_path / "log").read_text().split() == [str(one.process.pid) for one in holders]
    assert list((tmp_path / QUEUE).glob("*.ticket")) == []


def test_the_dead_hold_up_nobody(begin: Begin, tmp_path: Path) -> None:
    first = begin("first")
    first.said("holds")
    second = begin("second")
    second.said("waits")
    third = begin("third")
    third.said("waits")
    second.kill()
    first.kill()
    third.said("holds")
    third.let_go()
    third.ended()
    waited = []
    with turn(tmp_path, lambda: waited.append(True)):
        pass
    assert waited == []
    assert list((tmp_path / QUEUE).glob("*.ticket")) == []


def test_a_turn_within_a_turn_is_the_same_one(begin: Begin, tmp_path: Path) -> None:
    waited = []
    with turn(tmp_path, lambda: waited.append(True)):
        with turn(tmp_path, lambda: waited.append(True)):
            pass
        other = begin("other")
        other.said("waits")
    other.said("holds")
    other.let_go()
    other.ended()
    assert waited == []
