"""Compiles the package's loops: they then lie in numba's cache, beside their modules, before anybody needs them.

Belongs here: a home whose first update calls every loop, as a program. Does not belong here: what the loops compute.
In a fresh clone all of them take 13 s of CPU: of several processes that begin at once, each would do it for itself.
"""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

from emma_platform.demo.chain import make_chain
from emma_platform.demo.landing import write_landing, write_sources_yaml
from emma_platform_tests.recompute.home import NOW, Home


def compile_loops(folder: Path) -> None:
    """A small chain with every kind of input, through every layer."""
    home = Home(folder)
    write_sources_yaml(folder)
    write_landing(make_chain(stores=1, products=12, days=90, last_day=NOW.date() - timedelta(1)), home.settings.landing)
    home.update()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        compile_loops(Path(folder))
