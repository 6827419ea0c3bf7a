"""Dagster instances in temporary folders, made from the repository's own dagster.yaml."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest
import yaml
from dagster import DagsterInstance

DAGSTER_YAML = Path(__file__).parents[2] / "dagster.yaml"


def make_instance(home: Path, monkeypatch: pytest.MonkeyPatch, *, stock: bool = False) -> DagsterInstance:
    """An instance in `home`; a stock one has Dagster's own event log. To be closed by its user."""
    config = yaml.safe_load(DAGSTER_YAML.read_text(encoding="utf-8"))
    if stock:
        del config["event_log_storage"]
    if not home.exists():
        shutil.copytree(_empty_home(), home)
    (home / "dagster.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    return DagsterInstance.get()


@cache
def _empty_home() -> Path:
    """A home whose databases are made: making them takes 1 s of CPU."""
    home = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, home)
    with DagsterInstance.from_config(str(home)) as instance:
        instance.event_log_storage.get_records_for_run("")
    return home
