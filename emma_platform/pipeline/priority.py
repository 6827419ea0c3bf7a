"""Page before batch: what computes stands back for what answers on the same machine.

Belongs here: the priority of a process. Does not belong here: whose turn it is among batches (`recompute.turn`).
"""

from __future__ import annotations

import os


def stand_back(niceness: int) -> None:
    """Let other processes go first from now on, those that this one starts included; it cannot be taken back.

    Called before anything else of a process that computes: on Linux a thread that runs already keeps its priority.

    Args:
        niceness: as `nice` counts, 0 to 19; a process that stands back further already stays there.
    """
    os.nice(max(0, niceness - os.nice(0)))
