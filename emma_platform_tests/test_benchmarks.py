"""Every measure runs at its smallest size, both sides make the same, and the table says what was found."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from click.testing import CliRunner

from benchmarks import chain, clicks, home, made_lake, p5_latency, report, scale_model, scale_steps, w1_load
from benchmarks.__main__ import MEASURES, main
from benchmarks.measure import Bench, SideError, in_turns, middle
from benchmarks.rivals.dagster_pandas.frames import clean, key_figures, read_day
from benchmarks.tree import Watch
from emma_platform.model.access import EVERY_STORE
from emma_platform.pipeline.run import run_update
from emma_platform.serving.reader import Reader

SHAPE = chain.Shape(stores=2, days=31, products=8, lines=12)


def _put_back_later(patch: pytest.MonkeyPatch) -> None:
    """The sides set these in a process of their own; here they are put back."""
    for name in ("EMMA_HOME", "DAGSTER_HOME", "DAGSTER_EVENT_BATCH_SIZE"):
        patch.setenv(name, "")
        patch.delenv(name)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    _put_back_later(monkeypatch)


SLOW = set() if os.environ.get("EMMA_TEST_BENCHMARKS") else {"P5", "P10", "W1"}
"""These start daemons, web servers and browsers; below are tests of what they do with a home."""


@pytest.mark.parametrize("name", sorted(set(MEASURES) - SLOW))
def test_every_measure_runs(name: str, tmp_path: Path) -> None:
    module = importlib.import_module(f"benchmarks.{MEASURES[name]}")
    rows = module.run(Bench("tiny", 1, tmp_path, apart=False))
    assert rows
    for row in rows:
        assert row.measure.startswith(name)
        assert row.ours_sides
    assert report.table(rows).count("\n") == len(rows) + 1


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a chain in it."""
    with pytest.MonkeyPatch.context() as patch:
        _put_back_later(patch)
        folder = tmp_path_factory.mktemp("home")
        home.load(str(folder), SHAPE.values(), "day")
        yield folder


def test_a_dropped_file_is_waited_for_until_its_number_is_read(loaded: Path) -> None:
    before = p5_latency.revenue(Reader(loaded / "published"))
    late = loaded / "landing" / "late-3.csv"
    platform = threading.Thread(target=lambda: (_until(late.exists), run_update(home.settings_of(str(loaded)))))
    platform.start()
    seconds = p5_latency.dropped_to_published(loaded, chain.day_at(SHAPE.days - 1), 3, platform.is_alive)
    platform.join()
    assert seconds > 0
    assert p5_latency.revenue(Reader(loaded / "published")) == before + 1003


def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


def test_the_steps_of_a_large_home_compute_what_they_say(tmp_path: Path) -> None:
    folder, shape = str(tmp_path), replace(SHAPE, days=45)
    landing = scale_steps.generate(folder, shape.values())
    nothing = dict.fromkeys(scale_steps.BY_STORE_AND_DAY, 0)
    first = scale_steps.resumed(folder, shape.values(), nothing)
    assert first["partitions"]["raw_sales"] == shape.store_days - 1
    with pytest.raises(AssertionError, match="90 in all"):
        scale_steps.resumed(folder, shape.values(), nothing)
    assert scale_steps.late(folder, shape.values())["partitions"]["product_kpis"] == 28
    corrected = scale_steps.corrected(folder, shape.values(), 3)["partitions"]
    assert corrected["raw_sales"] == corrected["clean_sales"] == 3
    weighed = scale_steps.weighed(folder)
    assert weighed["files"]["landing"] == landing["files"] + 1
    assert weighed["rows"]["events"] > 3 * shape.store_days


def test_a_side_in_a_process_of_its_own_counts_its_own_time_and_memory(tmp_path: Path) -> None:
    side = Bench("tiny", 1, tmp_path).call("p1_rebuild:archive", shape=SHAPE.values(), home=str(tmp_path / "home"))
    assert side.cpu > 0
    assert side.wall > 0
    assert side.peak > 20_000_000
    with pytest.raises(SideError, match="no-such-folder"):
        Bench("tiny", 1, tmp_path).call("p1_rebuild:script", landing="/no-such-folder", out=str(tmp_path / "out"))


def test_the_memory_of_a_side_is_that_of_all_its_processes(tmp_path: Path) -> None:
    hold = "import time; held = bytearray(b'x') * 80_000_000; time.sleep(2)"
    start = f"[subprocess.Popen([sys.executable, '-c', {hold!r}]) for _ in '12']"
    code = f"import subprocess, sys; [process.wait() for process in {start}]"
    process = subprocess.Popen([sys.executable, "-c", code])
    with Watch(process.pid) as watch:
        process.wait()
    assert watch.peak > 160_000_000
    assert watch.cpu > 0


def test_a_measure_replaces_its_own_results_and_leaves_the_others(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    facts = report.facts(Bench("tiny", 1, tmp_path), command="bench", note="As it is.")
    row = report.Row("P4 a", "1 s", "2 s", "2x", ">= 2x", True)
    report.keep(results, {"P4": report.Measured([list(row.cells())], facts), "P10": report.Measured([], facts)})
    other = report.Measured([list(replace(row, measure="P4 b", met=None).cells())], facts | {"size": "full"})
    report.keep(results, report.kept(results) | {"P4": other})
    assert list(report.kept(results)) == ["P4", "P10"]
    text = (tmp_path / "RESULTS.md").read_text()
    assert "P4 b" in text
    assert "P4 a" not in text
    assert "- **P10** As it is. *tiny, once," in text
    assert "- **P4** As it is. *full, once," in text


def test_sides_take_turns_and_the_median_counts() -> None:
    order: list[str] = []
    sides = [lambda turn, name=name: order.append(f"{name}{turn}") or report.Side(turn, 0, 0, {}) for name in "ab"]
    first, _ = in_turns(*sides, repeat=3)
    assert order == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert middle(first, lambda side: side.wall) == 1


def test_the_chain_is_the_same_whatever_files_it_comes_in(tmp_path: Path) -> None:
    for by in ("month", "day"):
        chain.write(SHAPE, tmp_path / by, by=by, without=[(1, 3)])
    chain.write_days(SHAPE, tmp_path / "day", [(1, 3)], revision=0)
    chain.write_days(SHAPE, tmp_path / "month", [(1, 3)], revision=0)
    found = [
        duckdb.sql(
            f"SELECT * FROM read_csv('{tmp_path}/{by}/sales/*/*.csv', all_varchar = true) ORDER BY ALL"
        ).fetchall()
        for by in ("month", "day")
    ]
    assert found[0] == found[1]
    assert len(found[0]) == SHAPE.total
    chain.write_days(SHAPE, tmp_path / "again", [(1, 3)], revision=1)
    path = chain.sales_file(tmp_path / "day", 1, chain.day_at(3).isoformat())
    assert path.read_bytes() != chain.sales_file(tmp_path / "again", 1, chain.day_at(3).isoformat()).read_bytes()


def test_the_rival_project_makes_the_same_figures(loaded: Path) -> None:
    last, store = chain.day_at(SHAPE.days - 1), 1
    days = range(SHAPE.days - 28, SHAPE.days)
    files = [chain.sales_file(loaded / "landing", store, chain.day_at(day).isoformat()) for day in days]
    lines = pd.concat([clean(read_day(path)) for path in files])
    products = pd.read_csv(loaded / "landing" / "products.csv", dtype={"product": "string"})
    theirs = key_figures(lines, products, pd.Timestamp(last)).set_index("product")
    names = ["units", "revenue", "units_28d", "revenue_28d", "receipts", "revenue_rank_28d", "cost"]
    ours = Reader(loaded / "published").table(
        EVERY_STORE, "product_kpis", stores=[chain.store_name(store)], first_day=last
    )
    assert len(theirs) == ours.num_rows
    for row in ours.to_pylist():
        other = theirs.loc[row["product"]]
        assert row["abc_class"] == other["abc_class"]
        mine = [float("nan") if row[name] is None else float(row[name]) for name in names]
        assert mine == pytest.approx([float("nan") if pd.isna(x) else float(x) for x in other[names]], nan_ok=True)


def test_unknown_measures_are_refused() -> None:
    done = CliRunner().invoke(main, ["--only", "P1,P99"])
    assert done.exit_code == 2
    assert "P99" in done.output


def test_the_scale_page_holds_what_the_model_says() -> None:
    page = (Path(__file__).parents[1] / "docs" / "scale.md").read_text(encoding="utf-8")
    assert scale_model.table() in page, "put what `python -m benchmarks.scale_model` prints into docs/scale.md"


def test_costs_grow_as_the_chain_does() -> None:
    for what, values in scale_model.rows():
        numbers = [float(value.replace(",", "")) for value in values]
        assert numbers == sorted(numbers), what


def test_a_made_lake_can_be_published_and_read(tmp_path: Path) -> None:
    shape = {"stores": 2, "days": 40, "products": 3}
    w1_load.filled(str(tmp_path), shape)
    reader = Reader(tmp_path / "published")
    assert reader.rows(EVERY_STORE, "product_kpis") == 2 * 40 * 3
    before = reader.product(EVERY_STORE, "S001", "P00001")
    assert (before.kpis.num_rows, before.forecast.num_rows) == (40, made_lake.HORIZON)
    w1_load.publish_again(str(tmp_path), 3, 2, times=1, every=0)
    assert reader.refresh()
    after = reader.product(EVERY_STORE, "S001", "P00001")
    assert after.recommendation != before.recommendation
    assert after.kpis == before.kpis


def test_a_percentile_is_read_from_what_the_server_counted() -> None:
    line = 'emma_http_request_seconds_bucket{{le="{}",method="GET",route="{}"}} {}'
    routes = ("/products", "/products/{store}/{product}", "/products/{store}/{product}/why/{kpi}")
    text = "\n".join(
        line.format(most, route, number * (1 + place))
        for place, route in enumerate(routes)
        for most, number in (("0.01", 90.0), ("0.02", 98.0), ("0.03", 100.0), ("+Inf", 100.0))
    )
    lists = clicks.buckets(text, "/products|/")
    assert lists == {10: 90, 20: 98, 30: 100, float("inf"): 100}
    assert clicks.buckets(text, r"/products/\{[^/]*\}/\{[^/]*\}")[10] == 180
    assert clicks.quantile(lists, 0.45) == pytest.approx(5)
    assert clicks.quantile(lists, 0.99) == pytest.approx(25)
    assert clicks.quantile(lists - clicks.Buckets(lists), 0.99) == 0
