"""What is broken on purpose in the demo chain's sales files, and how much.

Belongs here: each kind of fault, its share, and the lines it adds. Does not belong here: how lines are spelled
(`spelling`) and faults of whole files (`stories`). A fault is always one more line, a copy of a good one with one field
spoiled, on a receipt that bears no other fault: so what the chain sold stays what must come out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emma_platform.demo.chain import Chain
from emma_platform.demo.world import Flags, Ints

DUPLICATES = "duplicates"
KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    Attributes:
        name: what happened at the till.
        outcome: a code of `model.reasons`, `duplicates` (dropped and counted) or `kept` (a good line after all).
        per_10k: lines added per 10,000 good lines; at least one.
        field: the canonical column that is spoiled; empty when the whole line is.
        texts: what it holds instead, in turn.
        needs: `csv` or `discount`: added only where files have that.
    """

    name: str
    outcome: str
    per_10k: int
    field: str = ""
    texts: tuple[str, ...] = ("",)
    needs: str = ""


FAULTS: tuple[Fault, ...] = (
    Fault("line sent twice", DUPLICATES, 60),
    Fault("return or cancellation", KEPT, 40, "quantity"),
    Fault("unknown product", KEPT, 12, "product", ("900017", "NEW-771", "0000")),
    Fault("no product", "not_a_product", 14, "product", ("POSTAGE", "VOUCHER", "DEPOSIT", "GIFT CARD", "TEST001")),
    Fault("text in quantity", "bad_quantity", 6, "quantity", ("two", "1 pc", "n/a", "")),
    Fault("quantity not finite", "bad_quantity", 3, "quantity", ("NaN", "inf")),
    Fault("zero quantity", "zero_quantity", 6, "quantity", ("0",)),
    Fault("absurd quantity", "absurd_quantity", 2, "quantity", ("99999",)),
    Fault("text in price", "bad_price", 4, "unit_price", ("free", "see flyer", "")),
    Fault("price not a number", "bad_price", 2, "unit_price", ("NaN",)),
    Fault("negative price", "negative_price", 5, "unit_price", ("-3", "-1")),
    Fault("zero price", "zero_price", 7, "unit_price", ("0",)),
    Fault("missing product", "missing_product", 6, "product"),
    Fault("missing receipt", "missing_receipt", 3, "receipt"),
    Fault("missing store", "missing_store", 2, "store"),
    Fault("unreadable date", "bad_date", 5, "sold_at", ("yesterday", "2026-13-45 10:00:00", "##########", "")),
    Fault("future date", "future_date", 3, "sold_at", ("2099-12-31T12:00:00", "2203-05-17T09:30:00")),
    Fault("prehistoric date", "prehistoric_date", 3, "sold_at", ("1899-12-30T10:00:00", "1970-01-01T10:00:00")),
    Fault("bad discount", "bad_discount", 3, "discount", ("ten percent", "-1", "NaN"), needs="discount"),
    Fault("wrong number of fields", "unreadable_line", 7, needs="csv"),
)

GOOD = -1
_RETURN = next(index for index, fault in enumerate(FAULTS) if fault.name.startswith("return"))
_LATER = 900


@dataclass(frozen=True, eq=False)
class Sent:
    """Every line that the shops send, in the order of store and day and of their files; one entry a line.

    Attributes:
        store, product, day, second, quantity, cents: as in `receipts.Sales`; a return's quantity is below zero.
        receipt: number within store and day.
        line: number within the receipt; 99 on a line that a fault added.
        fault: index into FAULTS, or GOOD.
        variant: which of the fault's texts, taken modulo their number.
        off: units x cents taken off the whole line by a promotion.
    """

    store: Ints
    day: Ints
    receipt: Ints
    second: Ints
    product: Ints
    quantity: Ints
    cents: Ints
    line: Ints
    fault: Ints
    variant: Ints
    off: Ints

    def __len__(self) -> int:
        """Lines."""
        return len(self.store)

    def take(self, which: Ints | Flags) -> Sent:
        """The lines at these positions, or where the flag is set."""
        return Sent(**{name: column[which] for name, column in self.columns().items()})

    def join(self, other: Sent) -> Sent:
        """These lines, then the others."""
        theirs = other.columns()
        return Sent(**{name: np.concatenate([column, theirs[name]]) for name, column in self.columns().items()})

    def accepted(self) -> Flags:
        """Lines that must stand in `clean_sales`: good ones, returns and unknown products."""
        held = [GOOD, *(index for index, fault in enumerate(FAULTS) if fault.outcome == KEPT)]
        return np.asarray(np.isin(self.fault, held))

    def is_return(self) -> Flags:
        """Lines that take goods back."""
        return np.asarray(self.fault == _RETURN)

    def columns(self) -> dict[str, Ints]:
        """The columns by name."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def send(chain: Chain, *, has_discount: Flags, is_csv: Flags) -> Sent:
    """The chain's sales with faults added: same chain, same lines.

    Args:
        chain: its seed also draws the faults.
        has_discount: by store, whether its files have a discount column.
        is_csv: by store, whether its files are delimited text.
    """
    rng = np.random.default_rng([chain.seed, 1])
    good = _as_sent(chain)
    open_to = {"": np.full(len(chain.stores), fill_value=True), "discount": has_discount, "csv": is_csv}
    free = good.line == 1
    lines = good
    for index, fault in enumerate(FAULTS):
        fits = free & open_to[fault.needs][good.store]
        if fault.outcome == "zero_price":
            fits &= good.off == 0
        if fault.outcome == "absurd_quantity":
            fits &= _plainly_absurd(good)
        places = np.flatnonzero(fits)
        count = max(1, round(len(good) * fault.per_10k / 10_000))
        chosen = np.sort(rng.choice(places, min(count, len(places)), replace=False))
        free[chosen] = False
        lines = lines.join(_spoil(good.take(chosen), index))
    # Every second copy of a line comes at the end of its day, as if the till had sent it again; the others at once.
    late = (lines.fault >= 0) & (lines.variant % 2 == 1)
    return lines.take(
        np.lexsort((lines.fault, lines.line, lines.receipt, lines.second + 86_400 * late, lines.day, lines.store))
    )


def _as_sent(chain: Chain) -> Sent:
    sales = chain.sales
    same = (np.diff(sales.receipt) == 0) & (np.diff(sales.day) == 0) & (np.diff(sales.store) == 0)
    first = np.concatenate([[True], ~same])
    starts = np.flatnonzero(first)
    line = np.arange(len(sales)) - np.repeat(starts, np.diff(np.append(starts, len(sales)))) + 1
    off = (chain.regular[sales.store, sales.product, sales.day] - sales.cents) * sales.quantity
    return Sent(
        store=sales.store, day=sales.day, receipt=sales.receipt, second=sales.second, product=sales.product,
        quantity=sales.quantity, cents=sales.cents, line=line, fault=np.full(len(sales), GOOD),
        variant=np.zeros(len(sales), dtype=np.int64), off=off,
    )  # fmt: skip


def _spoil(lines: Sent, fault: int) -> Sent:
    columns = lines.columns()
    count = len(lines)
    columns["fault"], columns["variant"] = np.full(count, fault), np.arange(count)
    if FAULTS[fault].outcome != DUPLICATES:
        columns["line"] = np.full(count, 99)
    if fault == _RETURN:
        # Half of them cancel the whole line, which can be matched with its sale; the others bring one unit back.
        columns["quantity"] = np.where(columns["variant"] % 2 == 0, -lines.quantity, -1)
        columns["second"] = lines.second + _LATER
        columns["line"], columns["off"] = np.ones(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    return Sent(**columns)


def _plainly_absurd(lines: Sent) -> Flags:
    """Where 99,999 units would be worth more than 2,000 median lines of the store-day, itself of 25 lines or more."""
    cell = lines.store * (int(lines.day.max(initial=0)) + 1) + lines.day
    value = lines.quantity * lines.cents
    order = np.lexsort((value, cell))
    _, starts, counts = np.unique(cell[order], return_index=True, return_counts=True)
    # The upper median leaves a margin on even counts.
    median = value[order][starts + counts // 2]
    where = np.searchsorted(cell[order][starts], cell)
    return np.asarray((counts[where] >= 25) & (99_999 * lines.cents > 2_000 * median[where]))  # noqa: PLR2004
