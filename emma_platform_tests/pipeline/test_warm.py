"""Runs start warm: which process prepares the libraries, and which must not."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

from emma_platform.pipeline.warm import LIBRARIES, warm_runs
from emma_platform_tests.forked import processes


def _answer(path: Path) -> None:
    sys.argv = ["dagster", "api", "grpc"]
    path.write_text(str(warm_runs()), encoding="utf-8")


def test_only_a_code_server_prepares_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["emma", "update"])
    assert warm_runs() is False


@pytest.mark.skipif("forkserver" not in multiprocessing.get_all_start_methods(), reason="the system cannot fork")
def test_a_run_does_not_prepare_another_process_though_it_bears_its_servers_arguments(tmp_path: Path) -> None:
    run = processes.Process(target=_answer, args=(tmp_path / "answer",))
    run.start()
    run.join()
    assert (tmp_path / "answer").read_text(encoding="utf-8") == "False"


def test_what_is_imported_beforehand_is_no_code_that_makes_figures() -> None:
    """Libraries of others import nothing of ours, so only what is ours among them is looked at."""
    ours = [library for library in LIBRARIES if library.startswith("emma_platform")]
    said = (
        "import importlib, sys\n"
        f"for library in {ours}: importlib.import_module(library)\n"
        "print(*sorted(name for name in sys.modules if name.startswith('emma_platform')))"
    )
    imported = subprocess.run([sys.executable, "-c", said], check=True, capture_output=True, text=True).stdout
    assert imported.split() == ["emma_platform", "emma_platform.pipeline", "emma_platform.pipeline.warm_compiler"]
