"""P10: 200 stores x 1,000 days end to end, from an empty home to the Dagster UI on it.

Belongs here: the steps and their rows. Does not belong here: what a step does (`scale_steps`, `scale_ui`).

Every step is measured once: a home of this size takes hours. Steps that change it have no rival; what there is to
compare with is the size of the change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks.chain import Shape
from benchmarks.measure import Bench, Side
from benchmarks.report import Row

SHAPES = {
    "tiny": Shape(stores=2, days=70, products=10, lines=20),
    "small": Shape(stores=20, days=200, products=200, lines=300),
    "full": Shape(stores=200, days=1_000, products=200, lines=300),
}
CORRECTIONS = {"tiny": 3, "small": 37, "full": 37}
MOST_MEMORY = 2e9
NOTE = (
    "One home from beginning to end, each step once, in a process of its own. The first run is killed (SIGKILL) when "
    "half of the key figures are there, and the second must compute exactly what was left. Files come a store and "
    "month; a correction sends its month again. In brackets: partitions computed, and seconds of the layers. "
    "The archive is a copy of the landing folder, not links to it: a sender may write into a file that it has dropped. "
    "*Dagster UI*: `dagster-webserver` on this home, without a daemon; its queries over HTTP, once cold and "
    "then again, and its pages in headless Chromium until their partitions are shown."
)


def run(bench: Bench) -> list[Row]:
    """A row a step, a row for what everything weighs, and rows for the UI."""
    shape = SHAPES[bench.size]
    if bench.lines is not None:
        shape = replace(shape, lines=bench.lines)
    home, values = str(bench.work / "home"), shape.values()
    bench.call("scale_steps:generate", home=home, shape=values)
    rows: list[Row] = []

    def step(name: str, what: str, **arguments: Any) -> Side:  # noqa: ANN401 - whatever JSON can hold
        side = bench.call(f"scale_steps:{name}", home=home, **arguments)
        rows.append(_row(what, _did(side.result), side, peak=True))
        return side

    before = step("killed", f"first run of {shape}, killed half-way", shape=values).result
    step("resumed", "second run, which completes it", shape=values, before=before)
    step("new_day", f"a new day of all {shape.stores} stores", shape=values)
    step("late", "one late file", shape=values)
    count = CORRECTIONS[bench.size]
    step("corrected", f"{count} random corrections", shape=values, count=count)
    step("run", "nothing to do")
    side = bench.call("scale_steps:weighed", home=home)
    rows += _weights(side, shape)
    side = bench.call("scale_steps:status", home=home)
    rows.append(
        _row("`emma status`", f"{side.result['answer']:.2f} s ({side.result['command']:.1f} s as a command)", side)
    )
    side = bench.call(
        "scale_ui:looked_at", home=home, pictures=str(bench.pictures.absolute()) if bench.pictures else None
    )
    rows += [_row(f"Dagster UI: {what}", said, side) for what, said in side.result.items()]
    return rows


def _row(what: str, said: str, side: Side, *, peak: bool = False) -> Row:
    within = side.peak <= MOST_MEMORY if peak else None
    return Row(f"P10 {what}", said, "-", "-", "<= 2 GB" if peak else "-", within, [side])


def _did(result: Mapping[str, Any]) -> str:
    """What a run did; of the killed one there is only the ledger."""
    if "partitions" not in result:
        return ", ".join(f"{table} {count:,}" for table, count in result.items())
    tables = ("raw_sales", "clean_sales", "product_kpis", "sales_forecast")
    counts = ", ".join(f"{table} {result['partitions'].get(table, 0):,}" for table in tables)
    layers = ("intake", "clean_sales", "product_kpis", "forecasts", "prices", "publication")
    seconds = ", ".join(f"{layer} {result[layer]:.1f}" for layer in layers)
    told = result["body"] - result["batch"]
    return f"{result['body']:.1f} s ({counts}; {seconds}; telling Dagster and checks {told:.1f})"


def _weights(side: Side, shape: Shape) -> list[Row]:
    result = side.result
    sizes = ", ".join(f"{name} {size / 1e6:,.0f}" for name, size in result["bytes"].items())
    lake = ", ".join(
        f"{name} {size / shape.total:.1f}" for name, size in result["tables"].items() if size > shape.total / 10
    )
    total = sum(result["bytes"].values())
    files = ", ".join(f"{name} {count:,}" for name, count in result["files"].items())
    rows = ", ".join(f"{name} {count:,}" for name, count in result["rows"].items())
    return [
        _row("size of everything, MB", f"{total / 1e6:,.0f} ({sizes})", side),
        _row(
            "bytes a line in the lake, with earlier versions",
            f"{result['bytes']['lake'] / shape.total:.0f} ({lake})",
            side,
        ),
        _row("files, rows of the ledger, events", f"{files}; {rows}", side),
    ]
