"""What happens to a large home in P10, each in a process of its own.

Belongs here: files, runs of the update job, the run that is killed, and what everything weighs. Does not belong here:
which steps there are (`p10_scale`) and the UI (`scale_ui`).
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

from benchmarks.chain import Shape, write, write_corrected, write_days
from benchmarks.home import import_libraries, run_and_time, settings_of
from benchmarks.measure import ROOT, Stopwatch

LATE_BACK = 40
"""The late file is of the store-day so many days before the last."""

BY_STORE_AND_DAY = ("raw_sales", "clean_sales", "product_kpis")
LOOK_SECONDS = 0.2


def generate(home: str, shape: dict[str, int]) -> dict[str, int]:
    """The history, a file a store and month, without the store-day that comes late."""
    size = Shape(**shape)
    return {"files": write(size, settings_of(home).landing, by="month", without=[(0, size.days - LATE_BACK)])}


def killed(home: str, shape: dict[str, int]) -> dict[str, float]:
    """The first run, ended by SIGKILL once half of the key figures are there; what the ledger then held.

    Raises:
        RuntimeError: it was done before.
    """
    half = Shape(**shape).store_days / 2
    command = [sys.executable, "-m", "benchmarks.scale_steps", home]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)  # noqa: S603 - our own module
    while process.poll() is None and _computed(home)["product_kpis"] < half:
        time.sleep(LOOK_SECONDS)
    if process.poll() is not None:
        raise RuntimeError(f"the run ended with {process.returncode} before it could be killed")
    process.send_signal(signal.SIGKILL)
    process.wait()
    return dict(_computed(home))


def resumed(home: str, shape: dict[str, int], before: dict[str, int]) -> dict[str, float]:
    """The second run, which completes the first.

    Raises:
        AssertionError: it left something out or computed something again.
    """
    found = run(home)
    total = Shape(**shape).store_days
    for table in BY_STORE_AND_DAY:
        # The late store-day has key figures, for its store sold before it, and neither lines nor clean sales.
        expected = total - (table != "product_kpis") - before[table]
        if found["partitions"][table] != expected:  # type: ignore[index]
            raise AssertionError(f"{table}: {before[table]} partitions, then {found}; {total} in all")
    return found


def new_day(home: str, shape: dict[str, int]) -> dict[str, float]:
    """The day after the last, for all stores."""
    size = Shape(**shape)
    write_days(size, settings_of(home).landing, [(store, size.days) for store in range(size.stores)], revision=0)
    return run(home)


def late(home: str, shape: dict[str, int]) -> dict[str, float]:
    """The store-day that was left out."""
    size = Shape(**shape)
    write_days(size, settings_of(home).landing, [(0, size.days - LATE_BACK)], revision=0)
    return run(home)


def corrected(home: str, shape: dict[str, int], count: int) -> dict[str, float]:
    """Random store-days, of other stores than the one of the late day, sent again with other quantities."""
    size = Shape(**shape)
    numbers = random.Random(count).sample(range(size.days, size.store_days), count)  # noqa: S311 - to measure with
    write_corrected(size, settings_of(home).landing, [divmod(number, size.days) for number in numbers], revision=1)
    return run(home)


def run(home: str) -> dict[str, float]:
    """One run of the update job, libraries imported before, and the partitions that it computed."""
    found = run_and_time(home)
    with closing(_ledger(home)) as ledger:
        (newest,) = ledger.execute("SELECT partitions FROM batches ORDER BY id DESC LIMIT 1").fetchone()
    return {**found, "partitions": Counter(json.loads(newest))}  # type: ignore[dict-item]


def weighed(home: str) -> dict[str, dict[str, int]]:
    """Bytes and files of each part of a home; rows of the ledger, events of Dagster."""
    folder = Path(home)
    parts = {name: _size(folder / name) for name in ("landing", "archive", "lake", "published", "dagster")}
    tables = {path.name: _size(path) for path in sorted((folder / "lake").iterdir())}
    ledger = sum(path.stat().st_size for path in folder.glob("ledger.db*"))
    events = folder / "dagster" / "history" / "runs" / "index.db"
    with closing(_ledger(home)) as connection, closing(sqlite3.connect(events)) as log:
        rows = connection.execute("SELECT count(*) FROM partitions").fetchone()[0]
        logged = log.execute("SELECT count(*) FROM event_logs").fetchone()[0]
    return {
        "bytes": {name: size for name, (size, _) in parts.items()} | {"ledger": ledger},
        "files": {name: files for name, (_, files) in parts.items()},
        "tables": {name: size for name, (size, _) in tables.items()},
        "rows": {"ledger": rows, "events": logged},
    }


def status(home: str) -> dict[str, float]:
    """Seconds of `emma status` as a command, and of the answer itself."""
    from emma_platform.recompute.platform import open_platform
    from emma_platform.recompute.status import status as answer

    command = [sys.executable, "-m", "emma_platform.cli", "status", "--json", "--home", home]
    with Stopwatch() as whole:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
    opened = open_platform(settings_of(home))
    with Stopwatch() as watch:
        answer(opened)
    return {"command": whole.wall, "answer": watch.wall}


def _computed(home: str) -> dict[str, int]:
    """The store-days that the ledger says are computed."""
    counts = dict.fromkeys(BY_STORE_AND_DAY, 0)
    with suppress(sqlite3.Error), closing(_ledger(home)) as ledger:
        found = ledger.execute("SELECT table_name, count(*) FROM partitions WHERE done <> '' GROUP BY 1").fetchall()
        counts |= {table: count for table, count in found if table in counts}
    return counts


def _ledger(home: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{home}/ledger.db?mode=ro", uri=True, timeout=60)


def _size(folder: Path) -> tuple[int, int]:
    """Bytes on disk, a file that is linked twice once, and files."""
    seen: dict[int, int] = {}
    files = 0
    for name, _, names in os.walk(folder):
        for file in names:
            found = os.lstat(f"{name}/{file}")
            seen[found.st_ino] = found.st_blocks * 512
            files += 1
    return sum(seen.values()), files


if __name__ == "__main__":
    import_libraries()
    run(sys.argv[1])
