"""The command line: exit statuses, what is printed where, and the shapes that other programs rely on."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import click
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from python_calamine import load_workbook

from emma_platform.cli import main
from emma_platform.cli_advise import advise
from emma_platform.model.tables import TABLES
from emma_platform_tests.recompute.home import HEADER, Home, sale

EMMA = Path(sys.executable).with_name("emma")
STORE = "[/red] Süd/2"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stores, one with a name that looks like markup, a line set aside, and a file that fails."""
    home = Home(tmp_path_factory.mktemp("cli") / "home")
    home.sell("a.csv", sale(on=0), sale(on=1, product="=1+1"), sale(STORE, on=1), sale(quantity="x"))
    home.drop("[bold]bad.csv", b"\x00")
    home.update()
    home.platform.ledger.close()
    return home.settings.home


def emma(*arguments: object, environment: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], env=environment)


def said(result: Result) -> str:
    """What a person reads on stderr, in one line."""
    return " ".join(result.stderr.split())


def test_help_names_every_verb_and_each_verb_explains_itself() -> None:
    result = emma("--help")
    assert result.exit_code == 0
    for name, command in main.commands.items():
        assert re.search(rf"^  {name} ", result.stdout, re.MULTILINE)
        verbs = [[name, verb] for verb in command.commands] if isinstance(command, click.Group) else [[name]]
        for verb in verbs:
            own = emma(*verb, "-h")
            assert own.exit_code == 0
            assert "--home" in own.stdout
    for command in (*main.commands.values(), *advise.commands.values()):
        assert command.help
        assert all(option.help for option in command.params if isinstance(option, click.Option)), command.name


def test_version() -> None:
    result = emma("--version")
    assert (result.exit_code, version("emma-platform") in result.stdout) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "No such command"),
        (["export"], "Missing argument"),
        (["export", "stores", "--format", "pdf"], "is not one of"),
        (["export", "stores", "--from", "1.2.2026"], "does not match the format"),
        (["export", "clean_sales", "--from", "2026-02-01", "--to", "2026-01-01"], "--from is after --to"),
        (["rebuild", "--from", "2026-02-01", "--to", "2026-01-01"], "--from is after --to"),
        (["status", "--nonsense"], "No such option"),
        (["why", "--kpi", "profit"], "is not one of"),
        (["why", "--against", "soon"], "--against is previous, year or DATE..DATE, not 'soon'"),
    ],
)
def test_wrong_use_exits_with_2(home: Path, arguments: list[str], message: str) -> None:
    result = emma(*arguments, *(["--home", home] if len(arguments) > 1 else []))
    assert result.exit_code == 2
    assert message in said(result)


def test_wrong_settings_exit_with_2_and_name_the_variable(home: Path) -> None:
    result = emma("status", "--home", home, environment={"EMMA_MAX_ATTEMPTS": "0", "EMMA_FIRST_DAY": "soon"})
    assert result.exit_code == 2
    assert "EMMA_MAX_ATTEMPTS" in said(result)
    assert "EMMA_FIRST_DAY" in said(result)


def test_an_engine_whose_library_is_not_installed_is_refused_with_the_remedy(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emma_platform.settings.find_spec", lambda _: None)
    result = emma("update", "--home", home, environment={"EMMA_FORECAST_ENGINE": "best"})
    assert result.exit_code == 2
    assert "EMMA_FORECAST_ENGINE" in said(result)
    assert "pip install emma-platform[boosting]" in said(result)


def test_status_as_json_has_the_agreed_shape(home: Path) -> None:
    result = emma("status", "--json", "--home", home)
    assert result.exit_code == 0
    state = json.loads(result.stdout)
    assert state["lines"] == {"in": 4, "clean": 3, "set_aside": 1, "duplicates": 0, "redelivered": 0}
    assert state["set_aside_by_reason"] == {"bad_quantity": 1}
    assert state["partitions"]["clean_sales"] == 3
    assert {"taken": 1, "waiting": 0, "failing": 1}.items() <= state["files"].items()
    assert [store["store"] for store in state["stores"]] == ["S1", STORE]
    assert all({"store", "last_day"} <= store.keys() for store in state["stores"])
    assert state["publication"].keys() == {"id", "at"}
    assert {"partitions", "seconds"} <= state["last_batch"].keys()
    assert STORE in result.stdout


def test_status_for_people_says_the_same(home: Path) -> None:
    result = emma("status", "--home", home)
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "4 lines in = 3 clean + 1 set aside + 0 duplicates" in text
    assert "failing [bold]bad.csv (tried 1 times): [bold]bad.csv is not text. Save it as" in text
    assert STORE in text


def test_why_says_it_in_words_as_json_and_as_a_picture(home: Path, tmp_path: Path) -> None:
    asked = ("why", "--home", home, "--from", "2026-01-02", "--to", "2026-01-02", "--by", "store")
    result = emma(*asked, "--plot", tmp_path / "w.png")
    assert result.exit_code == 0, result.stderr
    text = " ".join(result.stdout.split())
    assert "Revenue 2.50 → 5.00: +2.50 (+100.0 %) 2026-01-02 to 2026-01-02, against 2026-01-01 to 2026-01-01" in text
    assert "the sum of the parts" in text
    assert STORE in text
    assert (tmp_path / "w.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads(emma(*asked, "--json").stdout)
    assert found["total"]["change"] == 2.5
    assert {row["store"] for row in found["rows"]} == {"S1", STORE}
    missing = emma("why", "--home", home, "--against", "2020-01-01..2020-01-02")
    assert missing.exit_code == 1
    assert "there are no figures from 2020-01-01 to 2020-01-02" in said(missing)


def test_the_home_may_come_from_the_environment(home: Path) -> None:
    result = emma("status", "--json", environment={"EMMA_HOME": str(home)})
    assert json.loads(result.stdout)["home"] == str(home)


def test_export_to_stdout_is_the_table_and_nothing_else(home: Path) -> None:
    result = emma("export", "clean_sales", "--home", home)
    assert result.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(result.stdout_bytes.decode())))
    assert list(rows[0]) == list(TABLES["clean_sales"].names)
    assert sorted(row["product"] for row in rows) == ["'=1+1", "P1", "P1"]
    assert said(result) == "3 rows of clean_sales"


@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx"])
def test_export_writes_what_the_files_ending_says(home: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"out.{ending}"
    result = emma("export", "product_kpis", "--home", home, "-o", out, "--store", STORE, "--from", "2026-01-02")
    assert (result.exit_code, result.stdout) == (0, "")
    if ending == "csv":
        stores = [row["store"] for row in csv.DictReader(io.StringIO(out.read_text("utf-8")))]
    elif ending == "parquet":
        stores = pq.read_table(out)["store"].to_pylist()
    else:
        header, *rows = load_workbook(out).get_sheet_by_index(0).to_python()
        stores = [row[header.index("store")] for row in rows]
    assert stores == [STORE]


def test_the_format_option_outweighs_the_ending(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.dat"
    assert emma("export", "stores", "--home", home, "-o", out).exit_code == 0
    assert out.read_text().startswith('"store"')
    assert emma("export", "stores", "--home", home, "-o", out, "--format", "parquet").exit_code == 0
    assert pq.read_table(out).num_rows == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "nonsense"], "there is no table 'nonsense'; there are advice_decisions, advice_effects, batches"),
        (["export", "clean_sales", "--store", "S3"], "there is no store 'S3'; there are 2: 'S1'"),
        (["export", "products", "--store", "S1"], "products"),
        (["rebuild", "--store", "S3"], "there is no store 'S3'; there are 2: S1, [/red] Süd/2"),
        (["export", "clean_sales", "-o", "/nowhere/out.csv"], "/nowhere"),
    ],
)
def test_what_fails_exits_with_1_and_says_what_to_do(home: Path, arguments: list[str], message: str) -> None:
    result = emma(*arguments, "--home", home)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert said(result).startswith("Error: ")
    assert message.replace("'S1'", "S1") in said(result).replace("'S1'", "S1")
    assert "Traceback" not in result.output


def test_a_home_without_a_publication_is_no_error_to_ask_but_to_export(tmp_path: Path) -> None:
    assert json.loads(emma("status", "--json", "--home", tmp_path / "new").stdout)["publication"] is None
    result = emma("export", "stores", "--home", tmp_path / "new")
    assert result.exit_code == 1
    assert "run `emma update`" in said(result)


@pytest.mark.parametrize(
    ("url", "message"), [("nonsense", "EMMA_LEDGER_URL"), ("sqlite:////nowhere/ledger.db", "unable to open")]
)
def test_a_ledger_that_cannot_be_opened_exits_with_1(home: Path, url: str, message: str) -> None:
    result = emma("status", "--home", home, environment={"EMMA_LEDGER_URL": url})
    assert result.exit_code == 1
    assert said(result).startswith("Error: The ledger or Dagster's history cannot be read or written")
    assert message in said(result)


def test_a_damaged_ledger_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"damaged" * 1_000)
    result = emma("status", "--home", tmp_path)
    assert result.exit_code == 1
    assert "move it away" in said(result)


def run(*arguments: object, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The console script, as a user calls it."""
    command = [str(EMMA), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | (environment or {}))


def dropped(home: Path) -> None:
    """Two sales, dropped a minute ago."""
    file = home / "landing" / "a.csv"
    file.parent.mkdir(parents=True)
    file.write_text(HEADER + sale() + sale(on=1))
    old = time.time() - 60
    os.utime(file, (old, old))


def test_the_console_script_takes_what_was_dropped(tmp_path: Path) -> None:
    dropped(tmp_path)
    done = run("update", environment={"EMMA_HOME": str(tmp_path)})
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert re.search(r"clean_sales\W+2\b", done.stdout)
    assert "Published as" in done.stdout
    exported = run("export", "clean_sales", "--home", tmp_path)
    assert (exported.returncode, exported.stdout.count("\n")) == (0, 3)


def test_update_and_rebuild_are_runs_of_dagster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EMMA_HOME", "DAGSTER_HOME", "DAGSTER_EVENT_BATCH_SIZE"):
        monkeypatch.setenv(name, str(tmp_path))
    dropped(tmp_path)
    updated = emma("update", "--home", tmp_path)
    assert updated.exit_code == 0
    assert re.search(r"clean_sales\W+2\b", updated.stdout)
    rebuilt = emma("rebuild", "--store", "S1", "--from", "2026-01-02", "--home", tmp_path)
    assert rebuilt.exit_code == 0
    assert re.search(r"clean_sales\W+1\b", rebuilt.stdout)
    assert "Nothing new" in emma("update", "--home", tmp_path).stdout
    (tmp_path / "landing").rename(tmp_path / "unmounted")
    failed = emma("update", "--home", tmp_path)
    assert failed.exit_code == 1
    assert re.search(r"Error: The landing folder .* mount it", said(failed))
    assert "Traceback" not in failed.output
    assert json.loads(emma("status", "--json", "--home", tmp_path).stdout)["lines"]["clean"] == 2


def test_a_closed_pipe_ends_an_export_quietly(home: Path) -> None:
    script = f"{EMMA} export columns --home '{home}' | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
