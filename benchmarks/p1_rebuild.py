"""P1: a rebuild from the archived files through product_kpis, against one bare DuckDB script with the same SQL.

Belongs here: both sides and the check that they made the same. Does not belong here: forecasts and prices, which the
script does not have.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from benchmarks.chain import Shape, write
from benchmarks.measure import Bench, Side, in_turns, middle
from benchmarks.report import Row

SHAPES = {
    "tiny": Shape(stores=2, days=50, products=40, lines=200),
    "small": Shape(stores=10, days=365, products=1_000, lines=548),
    "full": Shape(stores=100, days=365, products=1_000, lines=548),
}
THROUGH = ("raw_sales", "stock", "clean_sales", "set_aside_rows", "product_kpis")
MOST_CPU, MOST_MEMORY = 1.3, 2e9
NOTE = (
    "From the same CSV files, a file a store and month. The script keeps everything in memory and takes what it wants"
    " of it; ours also keeps the raw lines, hashes every store-day and commits in batches. Both made the same figures."
    " At 2 M lines, which fit in its memory, the script is ahead: 1.35 times, of which sorting and writing product_kpis"
    " by store and month is .19, the raw layer .08, hashing .06."
)


def run(bench: Bench) -> list[Row]:
    """Two rows: CPU and peak memory."""
    shape, prepared, folder = SHAPES[bench.size], bench.work / "archived", bench.work / "turn"
    bench.call("p1_rebuild:archive", shape=shape.values(), home=str(prepared))

    def ours(_turn: int) -> Side:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(prepared / "archive", folder / "archive", copy_function=_linked)
        (folder / "landing").mkdir()
        return bench.call("p1_rebuild:platform", home=str(folder))

    def bare(_turn: int) -> Side:
        shutil.rmtree(bench.work / "bare", ignore_errors=True)
        return bench.call("p1_rebuild:script", landing=str(prepared / "landing"), out=str(bench.work / "bare"))

    platform, script = in_turns(ours, bare, repeat=bench.repeat)
    bench.call("p1_rebuild:compare", home=str(folder), out=str(bench.work / "bare"))
    cpu, rival = (middle(sides, lambda side: side.cpu) for sides in (platform, script))
    peak, most = (middle(sides, lambda side: float(side.peak)) for sides in (platform, script))
    name = f"rebuild of {shape.total:,} lines through product_kpis"
    return [
        Row(
            f"P1 {name}",
            f"{cpu:,.1f} s CPU",
            f"{rival:,.1f} s CPU (bare DuckDB)",
            f"{cpu / rival:.2f}x",
            f"<= {MOST_CPU}x",
            cpu / rival <= MOST_CPU,
            platform,
            script,
        ),
        Row(
            "P1 its peak memory",
            f"{peak / 1e9:.2f} GB",
            f"{most / 1e9:.2f} GB",
            f"{peak / most:.2f}x",
            "<= 2 GB",
            peak <= MOST_MEMORY,
            platform,
            script,
        ),
    ]


def _linked(source: str, target: str) -> None:
    """The archived files are never written again; the list of their names is."""
    if Path(source).suffix:
        shutil.copyfile(source, target)
    else:
        os.link(source, target)


def archive(shape: dict[str, int], home: str) -> None:
    """Write the files and bring them into the archive of a home without lake and ledger."""
    from emma_platform.recompute.platform import open_platform
    from emma_platform.settings import Settings

    settings = Settings(home=Path(home), quiet_seconds=0)
    write(Shape(**shape), settings.landing, by="month")
    platform = open_platform(settings)
    scan = platform.source.scan({})
    platform.source.secure([platform.source.take(sighting, platform.today()) for sighting in scan.ready])


def platform(home: str) -> dict[str, int]:
    """Ours: an empty ledger, so everything is read again from the archive."""
    from emma_platform.recompute.batch import materialise
    from emma_platform.recompute.plan import Selection
    from emma_platform.recompute.platform import open_platform
    from emma_platform.settings import Settings

    settings = Settings(home=Path(home), quiet_seconds=0)
    return materialise(open_platform(settings), Selection(frozenset(THROUGH))).partitions


def script(landing: str, out: str) -> None:
    """The rival."""
    from benchmarks.rivals.bare_duckdb import rebuild

    rebuild(Path(landing), Path(out))


def compare(home: str, out: str) -> None:
    """See that both sides made the same key figures from the same lines.

    Raises:
        AssertionError: they did not, so that their times say nothing.
    """
    import duckdb

    from emma_platform.store.delta import DeltaStore

    sums = "count(*), sum(units), sum(revenue_28d), sum(revenue_rank_28d), sum(gross_margin_28d)"
    made = DeltaStore(Path(home) / "lake").files("product_kpis").paths
    connection = duckdb.connect()
    found = [
        connection.execute(f"SELECT {sums} FROM read_parquet($files)", {"files": files}).fetchall()
        for files in (list(made), [f"{out}/product_kpis.parquet"])
    ]
    if found[0] != found[1] or not found[0][0][0]:
        raise AssertionError(f"the platform made {found[0]}, the script {found[1]}")
