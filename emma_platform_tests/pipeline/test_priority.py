"""What computes stands back, and what it starts with it."""

from __future__ import annotations

import subprocess
import sys

ASK = "import os; from emma_platform.pipeline.priority import stand_back; {}; print(os.nice(0))"


def niceness_after(does: str, *, before: int = 0) -> int:
    command = ["nice", "-n", str(before), sys.executable, "-c", ASK.format(does)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_it_stands_back_as_far_as_told_and_never_comes_forward() -> None:
    here = niceness_after("pass")
    assert niceness_after(f"stand_back({here + 7})") == here + 7
    assert niceness_after(f"stand_back({here + 3}); stand_back({here + 3})") == here + 3
    assert niceness_after(f"stand_back({here + 2})", before=5) == here + 5
    assert niceness_after("stand_back(0)") == here
