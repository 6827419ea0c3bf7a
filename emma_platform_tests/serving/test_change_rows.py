"""The parts of a change are read once: by publications that say the same of a store, too, and by no other."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from emma_platform.model.access import EVERY_STORE
from emma_platform.serving import change_rows as module
from emma_platform.serving.change_rows import change_rows
from emma_platform.serving.change_sums import Lives
from emma_platform.serving.periods import Period
from emma_platform.serving.reader import Reader
from emma_platform_tests.recompute.home import Home, day, sale


def on(offset: int) -> date:
    return date.fromisoformat(day(offset))


WEEKS = (Period(on(0), on(6)), Period(on(7), on(13)))


@pytest.mark.parametrize(
    ("dropped", "again"),
    [
        ({"late.csv": ("S2", 3)}, {"S1": False, "S2": True}),
        ({"late.csv": ("S1", 3)}, {"S1": True, "S2": False}),
        ({"promotions.csv": "store,product,first_day,last_day\nS1,P1,{day},{day}\n"}, {"S1": True, "S2": True}),
        ({"calendar.csv": "store,day,event,kind\n,{day},Fair,event\n"}, {"S1": True, "S2": True}),
    ],
    ids=["late sale elsewhere", "late sale", "promotion", "calendar"],
)
def test_what_is_kept_is_read_again_where_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dropped: dict[str, str | tuple[str, int]], again: dict[str, bool]
) -> None:
    home = Home(tmp_path / "home")
    home.sell("sales.csv", *(sale(store, offset, "P1", 5, "1.00") for store in ("S1", "S2") for offset in range(14)))
    home.update()
    read: list[str] = []
    sums = module.sums

    def counted(reader: Reader, scope: object, periods: object, lives: Lives) -> pa.Table:
        read.append(lives[0][0])
        return sums(reader, EVERY_STORE, WEEKS, lives)

    monkeypatch.setattr(module, "sums", counted)

    def units(store: str) -> int:
        rows = change_rows(Reader(home.settings.published), EVERY_STORE, "units", WEEKS, ((store, on(0), on(13)),))
        return int(rows["before"][0].as_py())

    assert (units("S1"), units("S2")) == (35, 35)
    for name, what in dropped.items():
        if isinstance(what, str):
            home.drop(name, what.format(day=day(3)))
        else:
            home.sell(name, sale(what[0], what[1], "P1", 2, "1.00", receipt="LATE"))
    home.update()
    home.platform.ledger.close()
    read.clear()
    found = {store: units(store) for store in again}
    assert read == [store for store, changed in again.items() if changed]
    late = {what[0] for what in dropped.values() if not isinstance(what, str)}
    assert found == {store: 37 if store in late else 35 for store in again}
