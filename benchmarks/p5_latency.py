"""P5: from a dropped file to the published number, with Dagster's daemon running.

Belongs here: `emma dev` on a home, files dropped into it, and the wait until a reader sees them. Does not belong here:
what happens in between.
"""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from benchmarks.chain import Shape, product_name, store_name
from benchmarks.home import load
from benchmarks.measure import Bench
from benchmarks.report import Row

SHAPES = {
    "tiny": Shape(stores=1, days=30, products=10, lines=20),
    "small": Shape(stores=4, days=100, products=60, lines=100),
    "full": Shape(stores=100, days=365, products=60, lines=100),
}
DROPS = {"tiny": 2, "small": 20, "full": 20}
MOST = 15.0
PATIENCE = 300.0
"""Seconds until a file that was dropped counts as lost."""

NOTE = (
    "The daemon, the code server and the UI run on the same cores. The file counts from its rename to the first "
    "read of its number through `serving.Reader`: it must lie still for 2 s, the sensor looks every 5 s and waits for "
    "what will be ready before it looks again, and each run is a process. CPU and memory are those of all "
    "of them together over the whole time."
)


def run(bench: Bench) -> list[Row]:
    """Two rows: median and 99th percentile of the seconds; a first drop, which warms the daemon up, does not count."""
    shape, home = SHAPES[bench.size], str(bench.work / "home")
    bench.call("p5_latency:loaded", home=home, shape=shape.values())
    side = bench.call("p5_latency:drop", home=home, shape=shape.values(), times=DROPS[bench.size])
    waits = sorted(side.result["waits"])
    figures = {
        f"median of {len(waits)} drops": waits[len(waits) // 2],
        "99th percentile": waits[math.ceil(0.99 * len(waits)) - 1],
    }
    return [
        Row(
            f"P5 file dropped to number published, {shape}: {name}",
            f"{seconds:.1f} s",
            "-",
            "-",
            f"<= {MOST:g} s",
            seconds <= MOST,
            [side],
        )
        for name, seconds in figures.items()
    ]


def loaded(home: str, shape: dict[str, int]) -> dict[str, float]:
    """The history before the daemon starts."""
    return load(home, shape, "month")


def drop(home: str, shape: dict[str, int], times: int) -> dict[str, list[float]]:
    """Start the daemon, drop one file after the other, each of one sale on the last day, and end the daemon."""
    from benchmarks.chain import day_at

    folder, last_day = Path(home), day_at(shape["days"] - 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "emma_platform.cli", "dev", "--home", home, "--port", port]
    daemon = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - our own command
    try:
        waits = [
            dropped_to_published(folder, last_day, number, lambda: daemon.poll() is None) for number in range(times + 1)
        ]
    finally:
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()
    return {"waits": waits[1:]}


def dropped_to_published(home: Path, day: date, number: int, is_alive: Callable[[], bool]) -> float:
    """Drop one more sale and wait until the product's page has it; seconds.

    Raises:
        TimeoutError: it was not published within `PATIENCE` seconds, or while `is_alive` says so.
    """
    from emma_platform.serving.reader import Reader

    reader = Reader(home / "published")
    before = revenue(reader)
    path = home / "landing" / f"late-{number}.csv"
    line = f"{store_name(0)},LATE{number},{day} 12:00:00,{product_name(1)},1,{1000 + number}"
    part = path.with_suffix(".part")
    part.write_text(f"store,receipt,sold_at,product,quantity,unit_price\n{line}\n", encoding="utf-8")
    part.replace(path)
    started = time.perf_counter()
    while time.perf_counter() - started < PATIENCE:
        if reader.refresh() and revenue(reader) == before + 1000 + number:
            return time.perf_counter() - started
        if not is_alive() and not reader.refresh():
            break
        time.sleep(0.05)
    raise TimeoutError(f"{path} was not published within {PATIENCE:g} s, or its platform ended")


def revenue(reader: object) -> int:
    """What the product brought on the store's last day, in whole units of currency."""
    from emma_platform.model.access import EVERY_STORE

    page = reader.product(EVERY_STORE, store_name(0), product_name(1))  # type: ignore[attr-defined]
    (row,) = page.kpis.to_pylist()[-1:]
    return int(row["revenue"])
