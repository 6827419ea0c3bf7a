"""What holds for all tests: how long an example takes is no matter of right or wrong, and migrations are read once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


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
