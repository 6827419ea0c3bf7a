"""Chains that several tests read; none of them changes anything."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from emma_platform.demo.account import Injected
from emma_platform.demo.chain import Chain, make_chain
from emma_platform.demo.landing import write_landing


@pytest.fixture(scope="session")
def default_chain() -> Chain:
    return make_chain(last_day=date(2026, 11, 22))


@pytest.fixture(scope="session")
def default_files(default_chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Injected]:
    landing = tmp_path_factory.mktemp("default") / "landing"
    return landing, write_landing(default_chain, landing)


@pytest.fixture(scope="session")
def small_chain() -> Chain:
    return make_chain(stores=2, products=8, days=60, last_day=date(2026, 11, 22))
