"""The transforms that are SQL: their texts, their digests.

Belongs here: how a statement is found and how its code is known. Does not belong here: running it (`engine`).

`clean_sales`: inputs raw_sales, products, stores; parameter `non_product_codes`, a list of upper-case texts. One row
for each raw line; `clean_sales.split` cuts the result into tables.

`product_kpis`: inputs clean_sales (of each store, the days from 27 before its first wanted day to its last), stock (the
wanted days), products, wanted (store, day); no parameter. The rows of the table for exactly the wanted days.

`kpi_changes`: inputs product_kpis, periods, lives, promotions, calendar, lost_units; no parameter. What
`kpi_changes.split_changes` starts from.

The texts keep to the subset of DuckDB SQL that sqlglot turns into Spark SQL with the same result.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import resources

NAMES: tuple[str, ...] = ("clean_sales", "product_kpis", "kpi_changes")
"""Every transform written in SQL."""


@dataclass(frozen=True, slots=True)
class Transform:
    """One statement.

    Attributes:
        name: as in `NAMES`.
        text: the SELECT.
        digest: SHA-256 of all that decides its result: the statement without its comment lines and, where there is one,
            the module of its name, which finishes the work.
    """

    name: str
    text: str
    digest: str


@cache
def load(name: str) -> Transform:
    """The transform of that name.

    Raises:
        KeyError: there is none.
    """
    if name not in NAMES:
        raise KeyError(f"no transform {name!r}; there are {', '.join(NAMES)}")
    package = resources.files("emma_platform.transforms")
    text = (package / f"{name}.sql").read_text("utf-8")
    code = "\n".join(line.strip() for line in text.splitlines() if not line.strip().startswith("--"))
    module = package / f"{name}.py"
    finish = module.read_bytes() if module.is_file() else b""
    return Transform(name, text, sha256(code.encode() + b"\0" + finish).hexdigest())
