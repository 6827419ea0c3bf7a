"""What holds for all tests: the long ones begin first, examples may take their time, and migrations are read once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


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
