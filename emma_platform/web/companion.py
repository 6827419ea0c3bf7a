"""A process beside the workers that is started again when it dies.

Belongs here: one process's life. Does not belong here: what it does (`ops`) and when it is looked at (`serve`).
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

PATIENCE_SECONDS = 60
"""How long it may take to end before it is killed."""

AGAIN_SECONDS = 5.0
"""The least time between two starts, so that one that cannot start does not take every core."""


class Companion:
    """`python -m MODULE ARGUMENTS`, which ends when its standard input does.

    So it ends also when whoever started it was killed.

    Args:
        arguments: the module and its arguments.
        descriptors: open files that it inherits under the same numbers, each time it is started.
    """

    def __init__(self, arguments: Sequence[str], descriptors: Sequence[int] = ()) -> None:
        self._arguments = arguments
        self._descriptors = descriptors
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    @property
    def pid(self) -> int | None:
        """The running process."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it, in a session of its own: Ctrl-C is for the one who started it, who tells it to end."""
        command = [sys.executable, "-m", *self._arguments]
        self._process = subprocess.Popen(  # noqa: S603 - our own
            command, stdin=subprocess.PIPE, start_new_session=True, pass_fds=self._descriptors
        )
        self._started = time.monotonic()

    def keep(self) -> None:
        """Start it again if it died."""
        died = self._process is not None and self._process.poll() is not None
        if died and time.monotonic() - self._started > AGAIN_SECONDS:
            self._close()
            self.start()

    def end(self) -> None:
        """Tell it to end."""
        self._close()

    def join(self) -> None:
        """Wait until it has ended."""
        if self._process is None:
            return
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
