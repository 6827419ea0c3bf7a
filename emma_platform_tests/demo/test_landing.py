import csv
import hashlib
import json
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from emma_platform.demo.chain import make_chain
from emma_platform.demo.faults import FAULTS
from emma_platform.demo.landing import write_landing, write_sources_yaml
from emma_platform.model.partitions import StoreDay
from emma_platform.model.reasons import NON_PRODUCT_CODES, REASON_CODES
from emma_platform_tests.demo.independent import count


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def agrees(landing: Path, injected) -> None:
    found = count(landing)
    assert found.lines == injected.lines_in
    assert dict(found.verdicts) == injected.expected
    assert found.returns == injected.by_fault["return or cancellation"]
    assert found.unknown == injected.by_fault["unknown product"]
    by_day = {
        key: (len(lines), sum(units for units, _ in lines), sum(money for _, money in lines) * 100)
        for key, lines in found.accepted.items()
    }
    expected = {(key.store, str(key.day)): (a.lines, a.units, a.cents) for key, a in injected.accepted.items()}
    assert by_day == expected


def test_an_independent_count_of_the_files_of_all_shops_agrees(tmp_path):
    chain = make_chain(stores=6, products=30, days=100, last_day=date(2026, 1, 5))
    injected = write_landing(chain, tmp_path)
    agrees(tmp_path, injected)
    assert injected.lines_in == injected.clean + injected.set_aside + injected.duplicates
    assert injected.revenue * 100 == sum(day.cents for day in injected.accepted.values())
    assert all(lines for _, lines in injected.faults)


def test_every_kind_of_fault_is_there_at_default_size(default_files):
    _, injected = default_files
    assert all(lines >= 20 for _, lines in injected.faults)
    assert [fault for fault, _ in injected.faults] == list(FAULTS)
    line_reasons = set(REASON_CODES) - {"bad_reference"}
    assert set(injected.expected) == line_reasons | {"duplicates"}
    no_product = next(fault for fault in FAULTS if fault.outcome == "not_a_product")
    assert set(no_product.texts) <= set(NON_PRODUCT_CODES)


def test_files_are_those_of_five_different_shops(default_files):
    landing, injected = default_files
    names = {path.relative_to(landing).as_posix() for path in landing.rglob("*") if path.is_file()}
    assert len(names) == injected.files
    assert sum(name.startswith("sales/") for name in names) == injected.sales_files
    assert {"products.csv", "stores.csv", "promotions.csv", "calendar.csv"} <= names
    assert {
        "sales/S001/S001-2026-11-20.csv", "sales/S002/S002-2026-11.csv", "sales/S003/S003-2026-11-20.csv",
        "sales/S004/S004-2026-11-20.csv.gz", "sales/S005/S005-2026-11-20.jsonl", "stock/S001-2026-11.csv",
    } <= names  # fmt: skip
    assert "sales/S003/S003-2026-11-22.csv" not in names, "closed on Sundays"
    assert not any("2025-12-25" in name for name in names)
    assert (landing / "sales/S003/S003-2026-11-20.csv").read_text("latin-1").startswith("Filiale;Bon;")
    packed = (landing / "sales/S004/S004-2026-11-20.csv.gz").read_bytes()
    assert packed[4:8] == bytes(4), "no time of writing, or the same lines would give other bytes"


def test_instants_in_utc_are_those_of_the_shop_s_clock_on_both_sides_of_the_clock_change(default_chain, default_files):
    landing, _ = default_files
    sales, zone = default_chain.sales, ZoneInfo("America/New_York")
    for day in (date(2026, 3, 7), date(2026, 3, 9), date(2026, 10, 31), date(2026, 11, 2)):
        here = (sales.store == 4) & (sales.day == (day - default_chain.first_day).days)
        seconds = dict(zip(sales.receipt[here].tolist(), sales.second[here].tolist(), strict=True))
        known = {
            f"{day:%y%m%d}-{n:04d}": datetime.combine(day, time(), zone) + timedelta(0, s) for n, s in seconds.items()
        }
        # Spoiled copies stand behind the line that they copy, so the first of a receipt is the one that counts.
        lines = (landing / f"sales/S005/S005-{day}.jsonl").read_text("utf-8").splitlines()
        rows = map(json.loads, reversed(lines))
        sent = {row["receipt"]: row["sold_at"] for row in rows if row["receipt"] in known and row["quantity"] == 1}
        assert len(sent) > 10
        assert all(datetime.fromisoformat(text) == known[receipt] for receipt, text in sent.items())


def test_same_chain_same_bytes(tmp_path, small_chain):
    again = make_chain(stores=2, products=8, days=60, last_day=date(2026, 11, 22))
    first = write_landing(small_chain, tmp_path / "a")
    second = write_landing(again, tmp_path / "b")
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert first == second


def test_what_is_sent_for_a_day_does_not_depend_on_the_last_day(tmp_path, small_chain):
    until = small_chain.last_day - timedelta(days=10)
    part = write_landing(small_chain, tmp_path / "part", until=until)
    whole = write_landing(small_chain, tmp_path / "whole")
    some, all_ = digests(tmp_path / "part"), digests(tmp_path / "whole")
    daily = {name for name in some if name.startswith("sales/S001/")}
    assert daily == {n for n in all_ if n.startswith("sales/S001/") and n <= f"sales/S001/S001-{until}.csv"}
    assert all(some[name] == all_[name] for name in daily)
    assert part.accepted == {key: value for key, value in whole.accepted.items() if key.day <= until}
    agrees(tmp_path / "part", part)


@pytest.mark.parametrize("last_day", [date(2024, 2, 29), date(2026, 1, 1)])
def test_small_chains_hold_every_kind_of_fault_and_agree(tmp_path, last_day):
    chain = make_chain(stores=2, products=8, days=60, last_day=last_day)
    injected = write_landing(chain, tmp_path)
    agrees(tmp_path, injected)
    assert all(lines >= 1 for fault, lines in injected.faults if fault.outcome != "absurd_quantity")


def test_withheld_days_are_not_sent(tmp_path, small_chain):
    held = StoreDay("S001", date(2026, 11, 3))
    injected = write_landing(small_chain, tmp_path, withhold=[held])
    assert held not in injected.accepted
    assert injected.withheld == {held}
    assert not (tmp_path / "sales/S001/S001-2026-11-03.csv").exists()
    agrees(tmp_path, injected)
    with pytest.raises(ValueError, match="S002 writes monthly files"):
        write_landing(small_chain, tmp_path, withhold=[StoreDay("S002", date(2026, 11, 3))])


def test_files_appear_whole_and_are_told_one_by_one(tmp_path, small_chain):
    told = []
    injected = write_landing(small_chain, tmp_path, observe=lambda path: told.append((path, path.exists())))
    assert len(told) == injected.files
    assert all(exists for _, exists in told)
    assert not list(tmp_path.rglob("*.part"))


def test_sources_yaml_maps_the_german_headers(tmp_path, default_files):
    entries = yaml.safe_load(write_sources_yaml(tmp_path).read_text("utf-8"))
    (entry,) = entries
    landing, _ = default_files
    header = (landing / "sales/S003/S003-2026-11-20.csv").read_text("latin-1").splitlines()[0].split(";")
    assert set(entry["columns"]) == {"store", "receipt", "sold_at", "product", "quantity", "unit_price"}
    assert set(entry["columns"].values()) == set(header) - {"Bezeichnung"}
    assert (entry["pattern"], entry["table"], entry["decimal_mark"]) == ("sales/S003/*.csv", "sales", ",")


def test_stock_counts_every_listed_product_on_every_open_day(tmp_path, small_chain):
    write_landing(small_chain, tmp_path)
    rows = []
    for path in sorted((tmp_path / "stock").iterdir()):
        with path.open(newline="", encoding="utf-8") as file:
            rows += [(r["store"], r["day"], r["product"], int(r["on_hand"])) for r in csv.DictReader(file)]
    chain = small_chain
    expected = [
        (store.code, str(chain.day(day)), product.code, int(chain.on_hand[s, p, day]))
        for s, store in enumerate(chain.stores)
        for day in range(chain.days)
        for p, product in enumerate(chain.products)
        if chain.listed[p, day] and chain.factor[s, :, day].any()
    ]
    assert sorted(rows) == sorted(expected)
