"""Runs that start warm: the code server forks them from a process that has imported the libraries already.

Belongs here: how the processes of runs are made. Does not belong here: what they do. Stock, each run is a fresh Python
that imports Dagster and the numerical libraries again: 4 s of CPU, half of the way from a dropped file to its numbers.

Only libraries are imported beforehand, and what numba needs before its first kernel. Emma Platform's own code is read
anew by each run, so a run always computes with the code whose digest it writes down.
"""

from __future__ import annotations

import multiprocessing
import sys
from multiprocessing import forkserver

LIBRARIES = (
    "dagster._cli", "dagster._grpc.server", "dagster_duckdb", "deltalake", "duckdb", "filelock", "matplotlib.figure",
    "pandas", "pyarrow.compute", "pydantic_settings", "scipy.stats", "sqlalchemy.dialects.sqlite", "yaml",
    "emma_platform.pipeline.warm_compiler",
)  # fmt: skip


def warm_runs() -> bool:
    """In Dagster's code server, fork runs from a warm process from now on; elsewhere do nothing.

    Returns:
        Whether this is a code server that starts runs, on a system that can fork.
    """
    if "grpc" not in sys.argv or "forkserver" not in multiprocessing.get_all_start_methods():
        return False
    if multiprocessing.parent_process() is not None:
        return False  # a run, which bears its server's arguments: a warm process of its own would cost it 4 s of CPU
    from dagster._grpc.server import DagsterApiServer

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LIBRARIES))
    # The server names its way of starting processes once, in its constructor, before it loads any definition.
    DagsterApiServer._mp_ctx = property(lambda _server: context)  # type: ignore[assignment]
    forkserver.ensure_running()
    return True
