"""Effects of decisions on the demo chain: known effects are covered as often as the intervals say, and so is none."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from emma_platform.demo.chain import Chain, make_chain
from emma_platform.model.advice import ADVICE_DECISIONS
from emma_platform.model.tables import PROMOTIONS
from emma_platform.transforms.advice_effects import AFTER_DAYS, advice_effects

EPOCH = date(1970, 1, 1)
Change = tuple[int, int, int]


@pytest.fixture(scope="module")
def chain() -> Chain:
    return make_chain(stores=5, products=40, last_day=date(2026, 11, 22), seed=7)


def sales(chain: Chain, paid: np.ndarray) -> pa.Table:
    s, p, d = np.nonzero((chain.sold > 0) | (chain.on_hand == 0))
    units, price = chain.sold[s, p, d].astype(float), paid[s, p, d] / 100
    return pa.table(
        {
            "store": pa.array([x.code for x in chain.stores]).take(pa.array(s)),
            "product": pa.array([x.code for x in chain.products]).take(pa.array(p)),
            "category": pa.array([x.category for x in chain.products]).take(pa.array(p)),
            "day": pa.array((d + (chain.first_day - EPOCH).days).astype(np.int32)).cast(pa.date32()),
            "sold_units": units,
            "sold_revenue": units * price,
            "average_price": np.where(units > 0, price, np.nan),
            "on_hand": chain.on_hand[s, p, d].astype(float),
        }
    )


def promotions(chain: Chain) -> pa.Table:
    rows = [{n: getattr(x, n) for n in PROMOTIONS.names} for x in chain.promotions]
    return pa.Table.from_pylist(rows, schema=PROMOTIONS.arrow_schema())


def decided(chain: Chain, changes: list[Change], old: np.ndarray, new: np.ndarray) -> pa.Table:
    rows: list[dict[str, Any]] = [
        {
            "decided_at": datetime(2026, 1, 1, tzinfo=UTC),
            "store": chain.stores[s].code,
            "product": chain.products[p].code,
            "made_on": chain.day(c - 1),
            "decision": "accept",
            "price": Decimal(int(after)) / 100,
            "current_price": Decimal(int(before)) / 100,
            "unit_cost": Decimal(chain.products[p].cost_cents) / 100,
        }
        for (s, p, c), before, after in zip(changes, old, new, strict=True)
    ]
    return pa.Table.from_pylist([dict.fromkeys(ADVICE_DECISIONS.names) | row for row in rows],
                                schema=ADVICE_DECISIONS.arrow_schema())  # fmt: skip


def settled(chain: Chain, *, moves: bool) -> list[Change]:
    """Store, product and day where a price did or did not move, and stood still for two months before and one after."""
    regular = chain.regular[:, :, : chain.days]
    moved = np.zeros(regular.shape, dtype=np.int64)
    moved[:, :, 1:] = regular[:, :, 1:] != regular[:, :, :-1]
    total = np.concatenate([np.zeros((*moved.shape[:2], 1), dtype=np.int64), moved.cumsum(axis=2)], axis=2)
    days = np.arange(100, chain.days - 40)
    still = total[:, :, days] == total[:, :, days - 59]
    still &= total[:, :, days + AFTER_DAYS] == total[:, :, days + 1]
    found = np.argwhere(still & (moved[:, :, days] == moves))
    return [(int(s), int(p), int(days[d])) for s, p, d in found]


def measured(rows: pa.Table) -> list[dict[str, Any]]:
    return [row for row in rows.to_pylist() if row["status"] == "measured"]


def test_known_effects_are_covered_as_often_as_the_interval_says(chain: Chain) -> None:
    changes = settled(chain, moves=True)
    old, new = (np.array([chain.regular[s, p, c - back] for s, p, c in changes]) for back in (1, 0))
    rows = measured(
        advice_effects(
            decided(chain, changes, old, new), sales(chain, chain.paid[:, :, : chain.days]), promotions(chain)
        )
    )
    where = {(chain.stores[s].code, chain.products[p].code, chain.day(c - 1)): (s, p, c) for s, p, c in changes}
    inside, error, width = [], [], []
    for row in rows:
        s, p, c = where[row["store"], row["product"], row["made_on"]]
        days = slice(c, c + AFTER_DAYS)
        steady = chain.paid[s, p, days] == chain.regular[s, p, days]
        after = chain.expected[s, p, days][steady].sum() * 7 / steady.sum()
        ratio = chain.regular[s, p, c - 1] / chain.regular[s, p, c]
        truth = after - after * ratio ** chain.elasticity[s, p]
        inside.append(row["extra_units_p10"] <= truth <= row["extra_units_p90"])
        error.append(row["extra_units_p50"] - truth)
        width.append(row["extra_units_p90"] - row["extra_units_p10"])
    assert len(rows) > 100
    assert 0.72 <= np.mean(inside) <= 0.92
    assert abs(np.mean(np.array(error) / width)) < 0.06


def test_a_price_on_paper_alone_has_an_effect_of_about_none(chain: Chain) -> None:
    rng = np.random.default_rng(11)
    still = settled(chain, moves=False)
    picked: dict[tuple[int, int], Change] = {}
    for place in rng.permutation(len(still)).tolist():
        picked.setdefault(still[place][:2], still[place])
    changes = list(picked.values())
    paid = chain.paid[:, :, : chain.days].astype(float)
    old = np.array([chain.regular[change] for change in changes])
    new = np.rint(old * 1.08)
    for (s, p, c), price in zip(changes, new, strict=True):
        paid[s, p, c : c + AFTER_DAYS] = price
    rows = measured(advice_effects(decided(chain, changes, old, new), sales(chain, paid), promotions(chain)))
    inside = [row["extra_units_p10"] <= 0 <= row["extra_units_p90"] for row in rows]
    middle = [row["extra_units_p50"] / (row["extra_units_p90"] - row["extra_units_p10"]) for row in rows]
    assert len(rows) > 80
    assert np.mean(inside) >= 0.8 * 0.88
    assert abs(np.mean(middle)) < 0.1


def test_what_cannot_be_measured_is_said(chain: Chain) -> None:
    s, p, c = max(settled(chain, moves=True), key=lambda change: chain.sold[change[:2]].sum())
    old, new = chain.regular[s, p, c - 1], chain.regular[s, p, c]
    frame, offers = sales(chain, chain.paid[:, :, : chain.days]), promotions(chain)
    row = decided(chain, [(s, p, c)], np.array([old]), np.array([new]))

    def status(decisions: pa.Table, known: pa.Table = frame) -> list[str]:
        return advice_effects(decisions, known, offers)["status"].to_pylist()

    def but(**values: Any) -> pa.Table:
        return pa.Table.from_pylist([row.to_pylist()[0] | values], schema=row.schema)

    assert status(row) == ["measured"]
    assert status(but(decision="decline", price=None)) == ["declined"]
    assert status(but(price=Decimal(int(old)) / 100)) == ["price_not_changed"]
    assert status(but(unit_cost=None)) == ["not_known"]
    early = frame.filter(pa.array([day <= chain.day(c + 5) for day in frame["day"].to_pylist()]))
    assert status(row, early) == ["too_early"]
    alone = frame.filter(pc.equal(frame["product"], chain.products[p].code))
    alone = alone.filter(pc.equal(alone["store"], chain.stores[s].code))
    assert status(row, alone) == ["no_control"]
    again = but(made_on=chain.day(c) + timedelta(1), decision="decline", price=None)
    assert "replaced" in status(pa.concat_tables([row, again]))
    assert all(advice_effects(row, frame, offers)["reason"].to_pylist())
