"""What holds for all tests: loops are compiled once and migrations read once, the long tests begin first."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Before several processes begin, one compiles what else each of them would: see `compiled`."""
    if session.config.getoption("numprocesses", default=None):
        subprocess.run([sys.executable, "-m", "emma_platform_tests.compiled"], check=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked as long come first; the others keep their order."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session", autouse=True)
def _migrations_read_once() -> Iterator[None]:
    """Dagster reads its 89 migrations whenever it opens a database, 0.1 s of CPU; a run of the update opens five."""
    read, known = ScriptDirectory.from_config, dict[tuple[str | None, str | None], ScriptDirectory]()

    def from_config(config: Config) -> ScriptDirectory:
        folder = (config.config_file_name, config.get_main_option("script_location"))
        if folder not in known:
            known[folder] = read(config)
        return known[folder]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptDirectory, "from_config", from_config)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_standing_back() -> Iterator[None]:
    """A verb that computes lowers its process's priority, which cannot be taken back: here it is that of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMMA_BATCH_NICE", "0")
        yield
