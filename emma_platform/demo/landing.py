"""The demo chain's files as its shops send them.

Belongs here: which file holds which lines, and writing them. Does not belong here: faults of lines (`faults`), their
text (`spelling`), the account (`account`), and what happens to files later (`stories`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import date
from pathlib import Path

import numpy as np

from emma_platform.demo.account import Injected
from emma_platform.demo.chain import Chain
from emma_platform.demo.faults import Sent, send
from emma_platform.demo.reference import reference_files, stock_files
from emma_platform.demo.spelling import GERMAN, spell, spelling_of
from emma_platform.demo.world import Flags, Ints
from emma_platform.model.partitions import StoreDay, month_of


def write_landing(
    chain: Chain,
    landing: Path,
    *,
    until: date | None = None,
    withhold: Collection[StoreDay] = (),
    observe: Callable[[Path], None] | None = None,
) -> Injected:
    """Write the chain's files below `landing`: same chain and arguments, same bytes.

    Args:
        chain: what was sold.
        landing: made when missing. Sales lie at `sales/<store>/<store>-<day>.csv` and the like, stock at
            `stock/<store>-<month>.csv`, the other kinds at the top.
        until: the last day of sales and stock; the chain's last day by default. What is sent for a day does not depend
            on it. Promotions and holidays of the future are announced in any case.
        withhold: store-days whose sales are not sent, of stores that write a file a day.
        observe: called with each file once it is complete.

    Raises:
        ValueError: a withheld store-day is of a store that writes monthly files.
    """
    last = until or chain.last_day
    sent = sent_until(chain, last)
    held = _positions_of(chain, sent, withhold)
    files = {**reference_files(chain), **stock_files(chain, last)}
    for name, data in files.items():
        write_file(landing / name, data, observe)
    sales_files = 0
    for name, data in sales_files_of(chain, sent.take(~held)):
        write_file(landing / name, data, observe)
        sales_files += 1
    nothing = Injected(
        lines_in=0, by_fault={}, accepted={}, sales_files=0, files=len(files), until=last, withheld=frozenset(withhold)
    )
    return nothing.with_lines(chain, sent.take(~held), files=sales_files)


def write_sources_yaml(home: Path) -> Path:
    """Write `sources.yaml`, which says how the store with German files writes them; the others need no entry."""
    import yaml

    columns = {name: header for name, header in zip(GERMAN.columns, GERMAN.headers, strict=True) if name != "name"}
    entry = {
        "pattern": "sales/S003/*.csv",
        "table": "sales",
        "columns": columns,
        "date_format": "%d.%m.%Y %H:%M:%S",
        "decimal_mark": GERMAN.decimal,
    }
    path = home / "sources.yaml"
    write_file(path, yaml.safe_dump([entry], allow_unicode=True, sort_keys=False).encode())
    return path


def write_file(path: Path, data: bytes, observe: Callable[[Path], None] | None = None) -> None:
    """Write one file with its folders, whole: under a temporary name first, renamed when complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)
    if observe:
        observe(path)


def sent_until(chain: Chain, last: date) -> Sent:
    """Every line the shops send for the days up to `last`."""
    spellings = [spelling_of(index) for index in range(len(chain.stores))]
    sent = send(
        chain,
        has_discount=np.array(["discount" in spelling.columns for spelling in spellings]),
        is_csv=np.array([bool(spelling.delimiter) for spelling in spellings]),
    )
    return sent.take(sent.day <= (last - chain.first_day).days)


def sales_files_of(chain: Chain, sent: Sent) -> Iterator[tuple[str, bytes]]:
    """The sales files that these lines make up: path below `landing/` and contents."""
    for index, store in enumerate(chain.stores):
        lines, spelling = sent.take(sent.store == index), spelling_of(index)
        texts = spell(chain, lines, index)
        for label, first, end in _cuts(chain, lines.day, monthly=spelling.monthly):
            name = f"sales/{store.code}/{store.code}-{label}{spelling.suffix}"
            yield name, spelling.contents(texts[first:end])


def _cuts(chain: Chain, days: Ints, *, monthly: bool) -> Iterator[tuple[str, int, int]]:
    """Label, first line and one past the last line of each file, from the lines' days in order."""
    starts: dict[str, int] = {}
    for index, start in zip(*np.unique(days, return_index=True), strict=True):
        day = chain.day(int(index))
        starts.setdefault(month_of(day) if monthly else day.isoformat(), int(start))
    bounds = [*starts.values(), len(days)]
    yield from zip(starts, bounds[:-1], bounds[1:], strict=True)


def _positions_of(chain: Chain, sent: Sent, store_days: Collection[StoreDay]) -> Flags:
    found = np.zeros(len(sent), dtype=bool)
    for store_day in store_days:
        store = chain.store_index[store_day.store]
        if spelling_of(store).monthly:
            raise ValueError(f"{store_day.store} writes monthly files; withhold days of another store")
        found |= (sent.store == store) & (sent.day == (store_day.day - chain.first_day).days)
    return found
