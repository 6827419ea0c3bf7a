"""`make bench`: every number beside its rival, as a table and in RESULTS.md.

Belongs here: options. Does not belong here: measuring.
"""

from __future__ import annotations

import importlib
import shutil
import sys
import tempfile
from pathlib import Path

import click

from benchmarks.measure import Bench, SideError
from benchmarks.real_data import AbsentError
from benchmarks.report import Measured, Row, facts, keep, kept, table

MEASURES = {
    "P1": "p1_rebuild",
    "P2": "p2_history",
    "P3": "p3_corrections",
    "P4": "p4_reporting",
    "P5": "p5_latency",
    "P7": "p7_page",
    "P8": "p8_rival_project",
    "P9": "p9_year",
    "P10": "p10_scale",
    "W1": "w1_load",
    "Q1": "q1_m5",
    "Q4": "q4_advice",
    "Q5": "q5_orange_juice",
    "Q6": "q6_complete_journey",
}
RESULTS = Path(__file__).parent / "results.json"


@click.command()
@click.option("--size", type=click.Choice(["tiny", "small", "full"]), default="small", show_default=True,
              help="tiny: does the code run; small: minutes; full: what the goals are set for, hours.")  # fmt: skip
@click.option("--only", default=",".join(MEASURES), show_default=True, help="Measures, separated by commas.")
@click.option("--repeat", type=click.IntRange(1), default=3, show_default=True, help="How often; medians are shown.")
@click.option("--work", type=click.Path(path_type=Path), help="Where to work; by default a temporary folder.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=RESULTS,
              help="Where the results are kept; RESULTS.md is written beside it. Other measures stay.")  # fmt: skip
@click.option("--lines", type=click.IntRange(1), help="Lines of a store-day in P10; by default those of its size.")
@click.option("--data", type=click.Path(path_type=Path),
              help="The folder with the real data; by default EMMA_BENCH_DATA, else ../shared/data.")  # fmt: skip
@click.option("--pictures", type=click.Path(path_type=Path), help="Where P10 puts its pictures of the Dagster UI.")
def main(
    size: str,
    only: str,
    repeat: int,
    work: Path | None,
    output: Path,
    lines: int | None,
    data: Path | None,
    pictures: Path | None,
) -> None:
    """Measure, show the table and write it down."""
    chosen = [name.strip().upper() for name in only.split(",") if name.strip()]
    if unknown := set(chosen) - set(MEASURES):
        raise click.BadParameter(f"no measure {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}")
    folder = Path(tempfile.mkdtemp(prefix="emma-bench-", dir=work)).absolute()
    rows: list[Row] = []
    failed: list[str] = []
    command = f"python -m benchmarks {' '.join(sys.argv[1:])}".strip()
    try:
        for name in chosen:
            module = importlib.import_module(f"benchmarks.{MEASURES[name]}")
            click.echo(f"{name}: {(module.__doc__ or '').splitlines()[0].partition(': ')[2]}", err=True)
            try:
                bench = Bench(size, repeat, folder / name, lines=lines, data=data, pictures=pictures)
                found = module.run(bench)
            except AbsentError as error:
                click.echo(f"{name} skipped: {error}", err=True)
                continue
            except SideError as error:
                click.echo(f"{name} failed: {error}", err=True)
                failed.append(name)
                continue
            click.echo(table(found), err=True)
            rows += found
            depends = facts(Bench(size, repeat, folder), command=command, note=module.NOTE)
            keep(output, kept(output) | {name: Measured([list(row.cells()) for row in found], depends)})
            shutil.rmtree(folder / name, ignore_errors=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    click.echo(table(rows))
    if failed:
        raise click.ClickException(f"these failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
