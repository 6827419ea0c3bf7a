"""How the code is laid out: imports go one way, the command line is quick to start, files stay short."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = sorted((ROOT / "emma_platform").rglob("*.py"))
HEAVY = ("pandas", "dagster", "duckdb", "matplotlib", "scipy", "statsmodels", "sqlalchemy", "deltalake", "pyarrow")

STARTED = """
import sys
import emma_platform
from click.testing import CliRunner
from emma_platform.cli import main
for arguments in ["--help"], ["update", "--help"], ["export", "--help"], ["nonsense"]:
    CliRunner().invoke(main, arguments)
print(*(name for name in sys.argv[1:] if name in sys.modules))
"""


def test_imports_go_one_way() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_package_and_its_help_import_nothing_heavy() -> None:
    command = [sys.executable, "-c", STARTED, *HEAVY]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short_and_says_what_belongs_in_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) <= 320
    assert text.startswith('"""')
    if len(lines) > 10:
        assert "elong" in text.split('"""')[1], "the docstring says what belongs there and what does not"


def test_test_files_mirror_the_package_and_stay_readable() -> None:
    tests = ROOT / "emma_platform_tests"
    for path in tests.rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path
    packages = {path.parent.relative_to(ROOT / "emma_platform") for path in PACKAGE}
    mirrored = {path.parent.relative_to(tests) for path in tests.rglob("__init__.py")}
    assert mirrored <= packages
