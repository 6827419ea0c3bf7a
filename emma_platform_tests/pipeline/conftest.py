"""Homes to run Dagster on: one is filled and updated once, the tests get copies of it. Empty instances."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from emma_platform.pipeline.event_log import BatchedSqliteEventLogStorage
from emma_platform_tests.pipeline import victims
from emma_platform_tests.pipeline.dagster_home import DagsterHome
from emma_platform_tests.pipeline.instances import make_instance


@pytest.fixture
def kept_environment() -> Iterator[None]:
    """Opening a home's instance says in the environment which home it is."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def filled_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    before = dict(os.environ)
    home = DagsterHome(tmp_path_factory.mktemp("filled") / "home")
    home.fill()
    home.run()
    home.platform.ledger.close()
    os.environ.clear()
    os.environ.update(before)
    return home.settings.home


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> victims.Twin:
    """A home to which everything has happened, and what its last update makes of it undisturbed."""
    return victims.twin(tmp_path_factory.mktemp("twin"))


@pytest.fixture
def home(filled_home: Path, tmp_path: Path, kept_environment: None) -> DagsterHome:
    """A home where two stores sold on 33 days, all of it computed and told to Dagster."""
    shutil.copytree(filled_home, tmp_path / "home", symlinks=True)
    return DagsterHome(tmp_path / "home")


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    with make_instance(tmp_path / "home", monkeypatch) as made:
        yield made


@pytest.fixture
def storage(instance: dg.DagsterInstance) -> BatchedSqliteEventLogStorage:
    assert isinstance(instance.event_log_storage, BatchedSqliteEventLogStorage)
    return instance.event_log_storage
