"""The documentation says what the code does: generated pages, commands that exist, settings, folders."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from emma_platform import docs
from emma_platform.cli import main
from emma_platform.model.reasons import REASON_CODES
from emma_platform.model.tables import TABLES
from emma_platform.settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPERATING = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
SECURITY = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("name", docs.PAGES)
def test_generated_pages_are_as_the_code_says(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == docs.PAGES[name](), "run `make docs`"


def test_writing_the_pages_writes_these_and_no_other(tmp_path: Path) -> None:
    docs.write(tmp_path / "docs")
    assert {page.name for page in (tmp_path / "docs").iterdir()} == set(docs.PAGES)


def test_every_setting_and_verb_is_documented() -> None:
    page = docs.commands_page()
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"| EMMA_{name.upper()} |" in page
    for name in main.commands:
        assert f"## emma {name}\n" in page


def test_every_table_column_and_reason_is_documented() -> None:
    page = docs.tables_page()
    for table in TABLES.values():
        assert f"\n## {table.name}\n" in page
        for column in table.columns:
            assert f"\n| {column.name} | {column.type}" in page
            assert column.meaning, (table.name, column.name)
    for code in REASON_CODES:
        assert f"| `{code}` |" in page


def test_the_readme_names_both_commands() -> None:
    assert "make demo" in README
    assert "make test" in README


@pytest.mark.parametrize("text", [README, OPERATING, SECURITY], ids=["README", "operating", "security"])
def test_every_command_shown_exists(text: str) -> None:
    shown = re.findall(r"`(?:\.venv/bin/)?emma ([^`]+)`|^    \.venv/bin/emma ([^#\n]+)", text, re.MULTILINE)
    assert shown
    for words in ((inline or line).split() for inline, line in shown):
        command: click.Command = main
        rest = iter(words)
        while isinstance(command, click.Group):
            command = command.commands[next(rest)]
        options = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= options, words
    targets = re.findall(r"`make ([a-z]+)|^    make ([a-z]+)", text, re.MULTILINE)
    assert {inline or line for inline, line in targets} <= TARGETS


@pytest.mark.parametrize("text", [README, OPERATING, SECURITY], ids=["README", "operating", "security"])
def test_every_setting_shown_exists(text: str) -> None:
    known = {f"EMMA_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"\bEMMA_[A-Z_]+", text)) <= known


@pytest.mark.parametrize(
    "page", ["README.md", "docs/operating.md", "docs/security.md", "docs/tables.md", "docs/commands.md"]
)
def test_links_and_folders_lead_somewhere(page: str) -> None:
    path = ROOT / page
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target
    for folder in re.findall(r"^\| `(emma_platform/\w+)`", text, re.MULTILINE):
        assert (ROOT / folder).is_dir(), folder


def test_help_fits_a_terminal() -> None:
    for name, command in main.commands.items():
        assert max(map(len, command.get_help(click.Context(command, info_name=name)).splitlines())) <= 80
