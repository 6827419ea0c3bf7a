"""The lake among processes: writers that are killed, readers beside writers, two writers at once."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from emma_platform.store.delta import DeltaStore
from emma_platform_tests.forked import processes
from emma_platform_tests.store.frames import (
    generation,
    on_disk,
    tuples,
    write_generations,
    write_months,
)


@contextmanager
def process_of(work: Callable[..., None], *arguments: object) -> Iterator[tuple[ForkServerProcess, Connection]]:
    """A process at work, with what it tells; killed at the latest when the test leaves it."""
    done, tell = processes.Pipe(duplex=False)
    process = processes.Process(target=work, args=(*arguments, tell))
    process.start()
    tell.close()
    try:
        yield process, done
    finally:
        process.kill()
        process.join()
        process.close()
        done.close()


def received(done: Connection) -> list[int]:
    numbers = []
    try:
        while done.poll():
            numbers.append(done.recv())
    except EOFError:
        pass
    return numbers


def test_a_writer_killed_at_any_instant_leaves_the_last_good_version(root: Path) -> None:
    chance = random.Random(7)  # noqa: S311
    number = 0
    store = DeltaStore(root, orphan_age=timedelta(0))
    for _ in range(10):
        with process_of(write_generations, root, number, 1_000) as (process, done):
            assert done.poll(60)
            process.join(chance.uniform(0.0, 0.1))
            process.kill()
            process.join()
            acknowledged = max(received(done))
        found = set(store.read("stock")["on_hand"].to_pylist())
        assert found in ({acknowledged}, {acknowledged + 1})
        number = int(found.pop())
        assert tuples(store.read("stock")) == tuples(generation(number)[0])
        number += 1
        store.commit("stock", *generation(number), {})
        assert tuples(DeltaStore(root).read("stock")) == tuples(generation(number)[0])
        number += 1
    store.maintain("stock", [])
    assert on_disk(root) == set(store.files("stock").paths)


def test_a_reader_never_meets_half_a_commit(root: Path) -> None:
    store = DeltaStore(root)
    seen: set[int] = set()
    with process_of(write_generations, root, 0, 30) as (process, done):
        assert done.poll(60)
        while process.is_alive() or not seen:
            rows = store.read("stock")
            (number,) = set(rows["on_hand"].to_pylist())
            assert tuples(rows) == tuples(generation(int(number))[0])
            seen.add(int(number))
        assert process.exitcode == 0
    assert store.version("stock") == 29
    assert tuples(store.read("stock")) == tuples(generation(29)[0])


def test_two_writers_at_once_lose_and_double_nothing(root: Path) -> None:
    start = processes.Barrier(2)
    with process_of(write_months, root, 1, start) as (one, _), process_of(write_months, root, 2, start) as (two, _):
        one.join()
        two.join()
        assert (one.exitcode, two.exitcode) == (0, 0)
    store = DeltaStore(root)
    days = [date(2025, month, day) for month in range(1, 13) for day in (1, 2, 3)]
    assert store.read("stock")["day"].to_pylist() == days
    assert store.version("stock") == 23
    assert len(store.files("stock").paths) == 12
