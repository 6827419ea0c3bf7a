"""W1: the pages under load, from the server's own clock, while publications are swapped.

Belongs here: the server, who clicks and who publishes side by side, and what comes of it. Does not belong here: what is
clicked and what the server counted (`clicks`), the publication (`made_lake`) and the server itself (`web.serve`).
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

from benchmarks import made_lake
from benchmarks.clicks import KINDS, PATIENCE, WHY, Clicks, quantile
from benchmarks.home import settings_of
from benchmarks.measure import Bench, middle
from benchmarks.report import Row

SHAPES = {
    "tiny": {"stores": 2, "days": 40, "products": 6},
    "small": {"stores": 20, "days": 365, "products": 200},
    "full": {"stores": 100, "days": 1_095, "products": 200},
}
SECONDS = {"tiny": 1.0, "small": 60.0, "full": 120.0}
CLIENTS = 4
CLICKS_A_SECOND = 20.0
"""Of all clients together, half lists and half products: 100 people who click every 5 s."""

SWAP_SECONDS = 10.0
WORKERS = 2
MOST_MS = 20.0
WARM = 40
"""Clicks before the clock starts: each worker has then read every kind of page."""

PAUSE = 0.03
LOOPS = {"tiny": 20, "small": 300, "full": 300}
"""How often the machine by itself is measured."""

NOTE = (
    f"{WORKERS} workers and {CLIENTS} clients on the same cores; {CLICKS_A_SECOND:g} clicks a second, half of them "
    "lists of random stores and orders, half products from these lists, each followed by why its revenue moved, as its "
    "page asks; every 10 s a process publishes another store's price advice, at a batch's priority. At the server: "
    "from a request's arrival in the application to its last byte, by its own histogram, interpolated within a bucket "
    "(15, 20, 30 ms, …); one that waits until its worker has answered another is counted from its turn on, at the "
    "client with the wait. Rows are made up; every store has the same numbers. Beside it, what the machine makes of "
    f"work that nothing here disturbs: a loop of plain Python, {PAUSE * 1000:g} ms after the one before, alone."
)


def run(bench: Bench) -> list[Row]:
    """Six rows: the 99th percentiles of list, product and why at the server, its CPU, the errors, and the machine's."""
    shape, home = SHAPES[bench.size], str(bench.work / "home")
    bench.call("w1_load:filled", home=home, shape=shape)
    sides = [
        bench.call("w1_load:clicked", home=home, shape=shape, seconds=SECONDS[bench.size], seed=turn)
        for turn in range(bench.repeat)
    ]
    loops = [bench.call("w1_load:undisturbed", count=LOOPS[bench.size])]
    name = f"{shape['stores'] * shape['products']:,} product-stores x {shape['days']:,} days"
    rows = []
    for kind in KINDS:
        p50, p99, within, client = (
            middle(sides, lambda side, k=f"{kind}_{what}": side.result[k])
            for what in ("p50", "p99", "within", "client")
        )
        shown = f"{p99:.1f} ms (median {p50:.1f}, {within:.2%} within {MOST_MS:g} ms, at the client {client:.0f} ms)"
        rows.append(
            Row(f"W1 {kind}, {name}, 99th percentile", shown, "-", "-", f"<= {MOST_MS:g} ms", p99 <= MOST_MS, sides)
        )
    errors, clicks, swaps = (sum(side.result[what] for side in sides) for what in ("errors", "clicks", "swaps"))
    shown = f"{errors:,.0f} of {clicks:,.0f} requests"
    cpu = middle(sides, lambda side: side.result["cpu"])
    rows.append(Row("W1 CPU of the workers a click", f"{cpu:.1f} ms", "-", "-", "-", None, sides))
    rows.append(Row(f"W1 errors over {swaps:,.0f} new publications", shown, "-", "-", "0", errors == 0, sides))
    median, most = (middle(loops, lambda side, k=what: side.result[k]) for what in ("p50", "p99"))
    shown = f"{most:.1f} ms (median {median:.1f})"
    rows.append(
        Row("W1 the machine by itself, a loop of plain Python, 99th percentile", shown, "-", "-", "-", None, loops)
    )
    return rows


def undisturbed(count: int) -> dict[str, float]:
    """Milliseconds that a loop of some 4 ms takes, in the middle and at the 99th percentile."""
    taken = []
    for _ in range(count):
        time.sleep(PAUSE)
        started = time.perf_counter()
        sum(number * number for number in range(60_000))
        taken.append(1000 * (time.perf_counter() - started))
    taken.sort()
    return {"p50": taken[count // 2], "p99": taken[int(0.99 * count)]}


def filled(home: str, shape: dict[str, int]) -> None:
    """The lake, and its first publication."""
    from emma_platform.store.delta import DeltaStore

    settings = settings_of(home)
    store = DeltaStore(settings.lake)
    _publish(store, home, made_lake.fill(store, **shape), "p0")


def clicked(home: str, shape: dict[str, int], seconds: float, seed: int) -> dict[str, float]:
    """Serve, click, publish; milliseconds and counts."""
    cookie, port = _sign_in(home), _free_port()
    command = [sys.executable, "-m", "emma_platform.cli", "serve", "--home", home, "--no-dagster", "--port", str(port)]
    server = subprocess.Popen(  # noqa: S603 - our own command
        [*command, "--workers", str(WORKERS)], env=os.environ | {"EMMA_REQUEST_LOG": f"{home}/requests.log"}
    )
    try:
        _wait_for(port, server)
        clicks = Clicks(port, cookie)
        products = clicks.products(shape)
        clicks.work(products, shape, rate=0, count=WARM, seed=seed)
        before, cpu_before = clicks.counted(), _cpu(server)
        clicks.times = {kind: [] for kind in KINDS}
        swaps = _click_and_publish(home, shape, clicks, products, seconds, seed)
        after, cpu = clicks.counted(), _cpu(server) - cpu_before
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(PATIENCE)
    found = {"errors": sum(clicks.errors.values()), "clicks": sum(map(len, clicks.times.values())), "swaps": swaps}
    found["cpu"] = 1000 * cpu / max(1, found["clicks"] - len(clicks.times[WHY]))
    for kind in KINDS:
        taken = after[kind] - before[kind]
        found |= {f"{kind}_p50": quantile(taken, 0.5), f"{kind}_p99": quantile(taken, 0.99)}
        found[f"{kind}_within"] = taken[MOST_MS] / max(1, *taken.values())
        found[f"{kind}_client"] = sorted(clicks.times[kind])[int(0.99 * len(clicks.times[kind]))]
    return found


def _click_and_publish(
    home: str, shape: dict[str, int], clicks: Clicks, products: list[str], seconds: float, seed: int
) -> int:
    """Click for a while, beside a process that publishes; returns how many publications came."""
    arguments = [home, str(shape["products"]), str(shape["stores"]), str(max(1, int(seconds / SWAP_SECONDS)))]
    publisher = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmarks.w1_load", *arguments, str(SWAP_SECONDS)], cwd=Path(__file__).parents[1]
    )
    count = int(seconds * CLICKS_A_SECOND / CLIENTS)
    threads = [
        threading.Thread(
            target=clicks.work,
            args=(products, shape),
            kwargs={"rate": CLICKS_A_SECOND / CLIENTS, "count": count, "seed": 100 * seed + number},
        )
        for number in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if publisher.wait(PATIENCE):
        raise RuntimeError("the batch beside could not publish")
    return int(arguments[3])


def publish_again(home: str, products: int, stores: int, times: int, every: float) -> None:
    """What the batch does beside, at its priority: new price advice of one store after the other, each published."""
    from emma_platform.model.tables import KEPT
    from emma_platform.pipeline.priority import stand_back
    from emma_platform.store.delta import DeltaStore
    from emma_platform.store.protocol import Stores

    stand_back(settings_of(home).batch_nice)
    store = DeltaStore(settings_of(home).lake)
    for number in range(times):
        name = made_lake.stores_of(stores)[number % stores]
        rows = made_lake.recommendations(name, products, seed=time.time_ns())
        store.commit("price_recommendations", rows, Stores({name}), {})
        versions = {table: version for table in KEPT if (version := store.version(table)) is not None}
        _publish(store, home, versions, f"p{time.time_ns()}")
        if number + 1 < times:
            time.sleep(every)


def _publish(store: Any, home: str, versions: dict[str, int], name: str) -> None:  # noqa: ANN401 - a DeltaStore
    from datetime import UTC, datetime

    from emma_platform.serving.publish import publish

    published = settings_of(home).published
    publish(store, versions=versions, published=published, publication_id=name, at=datetime.now(UTC), keep=2)


def _cpu(server: subprocess.Popen[bytes]) -> float:
    """Seconds of CPU that the workers have used."""
    import psutil

    used = [child.cpu_times() for child in psutil.Process(server.pid).children()]
    return sum(times.user + times.system for times in used)


def _sign_in(home: str) -> str:
    """A new session of an owner, as its cookie."""
    from emma_platform.model.access import Role
    from emma_platform.web.auth import sessions, users
    from emma_platform.web.auth.state import Auth

    auth = Auth.of(settings_of(home))
    try:
        with auth.database.writing() as connection:
            known = users.find(connection, "load")
            number = known.id if known else users.add(connection, "load", Role.OWNER, (), auth.clock())
            return f"emma={sessions.start(connection, number, auth.clock(), auth.ages)}"
    finally:
        auth.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == HTTPStatus.OK:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise RuntimeError("the server did not come up")


if __name__ == "__main__":
    publish_again(sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5]))
