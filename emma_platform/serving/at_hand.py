"""What every list and page needs of a publication, in one file beside it, so that to take it over costs little.

Belongs here: where that file is, how it is known to be of use, and which tables are in it. Does not belong here: how
they are read from the publication (`opened`), what follows from a row of the overview (`listing`), and the form of a
file (`arrow_file`).

Who publishes has the rows in memory anyway. Each process that answers would otherwise read them anew for every
publication: 100 ms at 20,000 product-stores, in which it answers nobody. Without the file it does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pyarrow as pa

from emma_platform.serving import arrow_file, listing, received
from emma_platform.serving.contents import PRODUCT_OVERVIEW
from emma_platform.serving.publication import Publication

NAMES = (
    "files", "stores", "first_days", "last_days", "promotions", "received", "file_states", "checks", "overview", "more",
)  # fmt: skip
"""The tables: those of `opened`; the last two without columns where the overview is too large to lie in memory."""

_FORM = "form"


def path_of(publication: Publication) -> Path:
    """Where the file is."""
    return publication.file.with_suffix(".arrow")


def write(publication: Publication, tables: Mapping[str, pa.Table]) -> None:
    """Write the file, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    arrow_file.write(path_of(publication), [pa.table({_FORM: [_form()]}), *(tables[name] for name in NAMES)])


def read(publication: Publication) -> dict[str, pa.Table] | None:
    """The tables where they lie; None where there is no such file, or one that another version of the code wrote."""
    try:
        form, *tables = arrow_file.mapped(path_of(publication), 1 + len(NAMES))
    except (OSError, pa.ArrowException):
        return None
    if form.schema.names != [_FORM] or form[_FORM].to_pylist() != [_form()]:
        return None
    return {name: pa.Table.from_batches([rows]) for name, rows in zip(NAMES, tables, strict=True)}


@cache
def _form() -> str:
    """Changes with whatever decides what is in the file."""
    parts = [Path(module).read_text("utf-8") for module in (__file__, listing.__file__, received.__file__)]
    return hashlib.sha256(f"{parts}{PRODUCT_OVERVIEW.arrow_schema()}".encode()).hexdigest()
