"""`emma demo`, at its smallest: from made-up files to the scorecard."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from emma_platform.cli import main
from emma_platform.console import console
from emma_platform.model.access import EVERY_STORE
from emma_platform.serving.reader import Reader

CHAPTERS = ("Everything arrives", "Store-days arrive late", "A day is corrected", "A file comes twice")
FORECASTS_AND_PRICES = ("forecast: ", "elasticities", "prices: ")
"""What begins so is estimated: of four products in six weeks it may miss its goal."""


def demo(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["demo", "--home", str(home), "--no-serve", *arguments])


def test_no_line_is_lost_and_every_figure_is_the_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "width", 160)
    home = tmp_path / "demo"
    done = demo(home, "--stores", "1", "--products", "4", "--days", "42")
    assert done.exit_code == 0, done.output
    places = [done.stdout.find(chapter) for chapter in CHAPTERS]
    assert -1 not in places
    assert places == sorted(places)
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in done.stdout.splitlines() if "│" in line]
    counted = {measure: found for measure, *found in rows if not measure.startswith(FORECASTS_AND_PRICES)}
    assert {"sales lines in", "lines clean", "clean_sales: revenue", "product_kpis: units"} < counted.keys()
    assert {measure: found for measure, found in counted.items() if found[-1] != "yes"} == {}
    assert ["forecast: store-products on sale that have one", "4", "4", "yes"] in rows
    assert Reader(home / "published").rows(EVERY_STORE, "price_recommendations") > 0
    assert (home / "result.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("mine", encoding="utf-8")
    done = demo(tmp_path)
    assert done.exit_code == 1
    assert "choose another --home" in " ".join(done.stderr.split())
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]
