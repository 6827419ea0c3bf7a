"""What happens to the demo chain's files after the first load: late, corrected, repeated, half written, broken.

Belongs here: one function a story, each returning what must come of it. Does not belong here: the first load
(`landing`).
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from emma_platform.demo.account import Injected
from emma_platform.demo.chain import Chain
from emma_platform.demo.faults import DUPLICATES, FAULTS, GOOD, Sent
from emma_platform.demo.landing import sales_files_of, sent_until, write_file
from emma_platform.demo.world import Flags
from emma_platform.model.partitions import StoreDay

_STORE = 0
"""The position of the store that the stories are about; it writes a plain file a day."""


@dataclass(frozen=True, slots=True)
class Story:
    """What was done to the files, and what must come of it.

    Attributes:
        name: of the story.
        files: paths below `landing/` that were written.
        reread: store-days with lines in files that are new or changed.
        changed: store-days whose `clean_sales` must change; no other may.
        injected: the account after it.
    """

    name: str
    files: tuple[str, ...]
    reread: frozenset[StoreDay]
    changed: frozenset[StoreDay]
    injected: Injected


def late_days(chain: Chain, landing: Path, injected: Injected) -> Story:
    """The store-days that were withheld arrive."""
    sent = sent_until(chain, injected.until)
    late = np.zeros(len(sent), dtype=bool)
    for store_day in injected.withheld:
        late |= _of(chain, sent, store_day)
    lines = sent.take(late)
    files = _write(chain, landing, lines)
    after = replace(injected.with_lines(chain, lines, files=len(files)), withheld=frozenset())
    return Story("late_days", files, injected.withheld, injected.withheld & after.accepted.keys(), after)


def corrected_day(chain: Chain, landing: Path, injected: Injected) -> Story:
    """The file with the most spoiled lines comes again without them and with one unit more on its first line."""
    sent = sent_until(chain, injected.until)
    spoiled = ~sent.accepted()
    store_day = _most(chain, sent, injected, spoiled)
    wrong = sent.take(_of(chain, sent, store_day))
    right = wrong.take(wrong.accepted())
    more = right.quantity + (np.arange(len(right)) == np.flatnonzero(right.fault == GOOD)[0])
    right = replace(right, quantity=more)
    files = _write(chain, landing, right)
    after = injected.without_lines(wrong, store_day).with_lines(chain, right, files=0)
    return Story("corrected_day", files, frozenset({store_day}), frozenset({store_day}), after)


def redelivered_file(chain: Chain, landing: Path, injected: Injected) -> Story:
    """A file comes again twice: under its own name, and under another, where every line of it is a duplicate."""
    sent = sent_until(chain, injected.until)
    duplicate = [GOOD, *(index for index, fault in enumerate(FAULTS) if fault.outcome == DUPLICATES)]
    bad = np.isin(sent.fault, duplicate, invert=True)
    store_day = _most(chain, sent, injected, ~bad, without=bad)
    lines = sent.take(_of(chain, sent, store_day))
    ((name, data),) = sales_files_of(chain, lines)
    again = name.replace(".csv", "-again.csv")
    for path in (name, again):
        write_file(landing / path, data)
    return Story(
        "redelivered_file", (name, again), frozenset({store_day}), frozenset(), injected.with_copies(len(lines))
    )


def half_written_file(chain: Chain, landing: Path, injected: Injected) -> Story:
    """One file is still being copied under a temporary name, and of another, compressed, the end is missing."""
    code, day = chain.stores[_STORE].code, injected.until + timedelta(days=1)
    _, data = next(iter(sales_files_of(chain, _some_lines(chain, injected))))
    growing, cut = f"sales/{code}/{code}-{day}.csv.part", f"sales/{code}/{code}-{day}.csv.gz"
    (landing / growing).write_bytes(data[: len(data) // 2])
    packed = gzip.compress(data, mtime=0)
    write_file(landing / cut, packed[: len(packed) // 2])
    after = replace(injected, waiting=injected.waiting + 1, failing=injected.failing + 1)
    return Story("half_written_file", (growing, cut), frozenset(), frozenset(), after)


def broken_file(chain: Chain, landing: Path, injected: Injected) -> Story:
    """A file of random bytes."""
    code = chain.stores[_STORE].code
    name = f"sales/{code}/{code}-{injected.until + timedelta(days=2)}.csv"
    write_file(landing / name, np.random.default_rng([chain.seed, 2]).bytes(4096))
    return Story("broken_file", (name,), frozenset(), frozenset(), replace(injected, failing=injected.failing + 1))


def _of(chain: Chain, sent: Sent, store_day: StoreDay) -> Flags:
    day = (store_day.day - chain.first_day).days
    return np.asarray((sent.store == chain.store_index[store_day.store]) & (sent.day == day))


def _most(chain: Chain, sent: Sent, injected: Injected, wanted: Flags, *, without: Flags | None = None) -> StoreDay:
    """The store-day of the stories' store with the most wanted lines and none of `without`, the latest of several."""
    here = sent.store == _STORE
    score = np.bincount(sent.day[here & wanted], minlength=chain.days)
    if without is not None:
        score[np.unique(sent.day[here & without])] = -1
    code = chain.stores[_STORE].code
    for store_day in injected.withheld:
        if store_day.store == code:
            score[(store_day.day - chain.first_day).days] = -1
    return StoreDay(code, chain.day(chain.days - 1 - int(np.argmax(score[::-1]))))


def _some_lines(chain: Chain, injected: Injected) -> Sent:
    sent = sent_until(chain, injected.until)
    return sent.take((sent.store == _STORE) & (sent.day == sent.day[sent.store == _STORE].max()))


def _write(chain: Chain, landing: Path, lines: Sent) -> tuple[str, ...]:
    names = []
    for name, data in sales_files_of(chain, lines):
        write_file(landing / name, data)
        names.append(name)
    return tuple(names)
