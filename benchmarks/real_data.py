"""Where the real data lie, which are no part of the project: their licences do not allow it.

Belongs here: finding the folder. Does not belong here: reading what is in it (`m5` and its like).
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
VARIABLE = "EMMA_BENCH_DATA"


class AbsentError(Exception):
    """A measure needs data that are not on this machine; the message says which and where they were looked for."""


def folder(given: Path | None = None) -> Path:
    """The folder with the real data: the one given, else `EMMA_BENCH_DATA`, else `../shared/data` of the checkout."""
    if given is not None:
        return given
    named = os.environ.get(VARIABLE)
    return Path(named) if named else ROOT.parent / "shared" / "data"


def needed(names: tuple[str, ...], given: Path | None = None) -> Path:
    """The folder, when it holds files of all these names.

    Raises:
        AbsentError: it does not.
    """
    found = folder(given)
    if missing := [name for name in names if not (found / name).is_file()]:
        raise AbsentError(f"no {', '.join(missing)} in {found}; say where with --data or {VARIABLE}")
    return found
