"""The stores under test, and where a lake lies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emma_platform.store.delta import DeltaStore
from emma_platform.store.memory import MemoryStore
from emma_platform.store.protocol import TableStore

Make = Callable[[Path], TableStore]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture(params=[MemoryStore, DeltaStore])
def make(request: pytest.FixtureRequest) -> Make:
    return request.param


@pytest.fixture
def store(make: Make, root: Path) -> TableStore:
    return make(root)
