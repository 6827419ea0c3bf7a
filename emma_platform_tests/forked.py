"""Where tests get their processes from: forked from one that has imported what the platform needs.

Belongs here: what is imported beforehand. Does not belong here: what the processes do. All tests share that one
process, and the modules to import must be said before it starts: a process that imports them itself takes 3 s of CPU.
"""

from __future__ import annotations

import multiprocessing

from emma_platform.pipeline.warm import LIBRARIES

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(
    [
        *LIBRARIES, "matplotlib.dates", "pyarrow.dataset", "upath",
        "emma_platform.engine.duckdb", "emma_platform.store.delta",
        "emma_platform.transforms.calendar_kernel", "emma_platform.transforms.count_kernel",
        "emma_platform.transforms.demand_kernel", "emma_platform.transforms.series_kernel",
        "emma_platform.transforms.stock_out_kernel", "emma_platform_tests.pipeline.victims",
    ]
)  # fmt: skip
