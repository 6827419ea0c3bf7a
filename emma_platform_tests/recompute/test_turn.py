"""One at a time, first come first served; the dead hold up nobody."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from emma_platform.recompute.turn import QUEUE, turn
from emma_platform_tests.forked import processes


def hold(home: Path, ready: Connection, log: Path) -> None:
    """Say that one waits, then that one's turn has come; let it go when told to."""
    with turn(home, lambda: ready.send("waits")):
        with log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        ready.send("holds")
        ready.recv()


def holder(home: Path) -> tuple[BaseProcess, Connection, str]:
    here, there = processes.Pipe()
    process = processes.Process(target=hold, args=(home, there, home / "log"))
    process.start()
    there.close()
    return process, here, here.recv()


def kill(process: BaseProcess) -> None:
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def test_first_come_first_served(tmp_path: Path) -> None:
    holders = [holder(tmp_path) for _ in range(6)]
    assert [said for _, _, said in holders] == ["holds", *["waits"] * 5]
    for _, to, _ in holders:
        to.send("go")
    for process, _, _ in holders:
        process.join()
    assert (tmp_path / "log").read_text().split() == [str(process.pid) for process, _, _ in holders]
    assert list((tmp_path / QUEUE).glob("*.ticket")) == []


def test_the_dead_hold_up_nobody(tmp_path: Path) -> None:
    first, to_first, said = holder(tmp_path)
    assert said == "holds"
    second, to_second, said = holder(tmp_path)
    assert said == "waits"
    third, to_third, said = holder(tmp_path)
    assert said == "waits"
    kill(second)
    kill(first)
    to_first.close()
    to_second.close()
    assert to_third.recv() == "holds"
    to_third.send("go")
    third.join()
    assert third.exitcode == 0
    waited = []
    with turn(tmp_path, lambda: waited.append(True)):
        pass
    assert waited == []
    assert list((tmp_path / QUEUE).glob("*.ticket")) == []


def test_a_turn_within_a_turn_is_the_same_one(tmp_path: Path) -> None:
    waited = []
    with turn(tmp_path, lambda: waited.append(True)):
        with turn(tmp_path, lambda: waited.append(True)):
            pass
        other, to_other, said = holder(tmp_path)
        assert said == "waits"
    assert to_other.recv() == "holds"
    to_other.send("go")
    other.join()
    assert waited == []
