"""Readers while publications change, and publishers that are killed."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from emma_platform.model.access import EVERY_STORE
from emma_platform.serving.publication import current
from emma_platform.serving.reader import Reader
from emma_platform_tests.serving.conftest import Lake, Publish

PUBLISHER = """
import itertools, json, sys
from pathlib import Path
from emma_platform.serving.publish import publish
from emma_platform.store.delta import DeltaStore
from emma_platform_tests.serving import chain

root, published, states, start = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]), int(sys.argv[4])
store = DeltaStore(root)
for number in itertools.count(start):
    state = number % len(states)
    name = f"s{state}-{number}"
    publish(store, versions=states[state], published=published, publication_id=name, at=chain.AT, keep=2)
    print(number, flush=True)
"""

POLLER = """
import sys, time
from pathlib import Path
from emma_platform.serving.reader import Reader
from emma_platform_tests.serving.test_publish_crash import check_whole

published, stop = Path(sys.argv[1]), Path(sys.argv[2])
reader, moves, reads = Reader(published), 0, 0
print("ready", flush=True)
while not stop.exists():
    moves += reader.refresh()
    check_whole(reader)
    reads += 1
    time.sleep(0.02)
print(moves, reads)
"""


def check_whole(reader: Reader) -> None:
    """Every table shows the state that the publication's id names."""
    mark = int(reader.publication.id[1]) * 1000
    assert min(int(name.split()[1]) for name in reader.table(EVERY_STORE, "products")["name"].to_pylist()) == mark
    assert min(int(name.split()[1]) for name in reader.table(EVERY_STORE, "clean_sales")["receipt"].to_pylist()) == mark
    assert (
        min(int(name.split()[1]) for name in reader.table(EVERY_STORE, "product_overview")["name"].to_pylist()) == mark
    )
    assert reader.rows(EVERY_STORE, "clean_sales") == 240


def test_readers_never_meet_an_error_or_half_a_publication(put: Publish, published: Path, tmp_path: Path) -> None:
    put(0, keep=1, publication_id="s0-0")
    stop = tmp_path / "stop"
    command = [sys.executable, "-c", POLLER, str(published), str(stop)]
    failures: list[Exception] = []

    def poll() -> None:
        reader = Reader(published)
        while not stop.exists():
            try:
                reader.refresh()
                check_whole(reader)
                check_whole(Reader(published))
                time.sleep(0.02)  # leaves the processor to the publisher
            except Exception as error:  # noqa: BLE001
                failures.append(error)
                return

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        threads = [threading.Thread(target=poll) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for number in range(1, 6):
                put(number % 3, keep=1, publication_id=f"s{number % 3}-{number}")
        finally:
            stop.touch()
        for thread in threads:
            thread.join()
        moves, reads = map(int, other.communicate()[0].split())
    assert failures == []
    assert other.returncode == 0
    assert moves >= 1
    assert reads >= moves


def test_a_killed_publisher_leaves_a_whole_publication(lake: Lake, published: Path) -> None:
    chance = random.Random(7)  # noqa: S311
    number = 0
    for _ in range(3):
        command = [
            sys.executable,
            "-c",
            PUBLISHER,
            str(lake.root),
            str(published),
            json.dumps(lake.states),
            str(number),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as publisher:
            assert publisher.stdout is not None
            for _ in range(1 + chance.randrange(2)):
                number = int(publisher.stdout.readline())
            until = time.perf_counter() + chance.random() * 0.2
            while time.perf_counter() < until:
                check_whole(Reader(published))
            publisher.send_signal(signal.SIGKILL)
        found = current(published)
        assert found is not None
        assert int(found.id.split("-")[1]) >= number
        check_whole(Reader(published))
        number = int(found.id.split("-")[1]) + 1
    publish_once = PUBLISHER.replace("itertools.count(start)", "[start]")
    subprocess.run(
        [sys.executable, "-c", publish_once, str(lake.root), str(published), json.dumps(lake.states), str(number)],
        check=True,
        capture_output=True,
    )
    assert len(list(published.iterdir())) == 7
    assert not list(published.rglob("*.partial"))
