"""A process beside the workers: started again when it died, not more often than it may, and ended when told."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from emma_platform.web import companion
from emma_platform.web.companion import Companion
from emma_platform_tests.web.test_serve import until


@pytest.fixture
def running() -> Iterator[Companion]:
    """Python's console, which reads its standard input until that ends."""
    found = Companion(["code", "-q"])
    found.start()
    yield found
    found.end()
    found.join()


def killed(running: Companion) -> int:
    """Its process is killed; the process it was."""
    pid = running.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until("dead", lambda: psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    return pid


def test_one_that_died_is_started_again(running: Companion, monkeypatch: pytest.MonkeyPatch) -> None:
    first = running.pid
    running.keep()
    assert running.pid == first, "it lives"
    monkeypatch.setattr(companion, "AGAIN_SECONDS", 0.0)
    died = killed(running)
    running.keep()
    assert running.pid not in (None, died)
    assert psutil.pid_exists(running.pid)


def test_one_that_dies_at_once_is_not_started_at_once(running: Companion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companion, "AGAIN_SECONDS", 3600.0)
    died = killed(running)
    running.keep()
    assert running.pid == died


def test_it_ends_when_told_and_so_when_whoever_started_it_is_gone(running: Companion) -> None:
    assert running.pid is not None
    process = psutil.Process(running.pid)
    running.end()
    running.join()
    assert not process.is_running()
    Companion(["code"]).join()  # never started: nothing to wait for
