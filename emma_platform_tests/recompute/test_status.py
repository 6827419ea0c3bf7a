"""What `emma status` says, in the form that other programs rely on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from emma_platform.recompute.batch import forget
from emma_platform.recompute.status import status
from emma_platform_tests.recompute.home import Home, day, sale


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def now(home: Home) -> dict[str, Any]:
    """The status, as JSON carries it."""
    said = status(home.platform)
    assert json.loads(json.dumps(said)) == said
    return said


def test_an_empty_home(home: Home) -> None:
    said = now(home)
    assert said["lines"] == {"in": 0, "clean": 0, "set_aside": 0, "duplicates": 0, "redelivered": 0}
    assert (said["stores"], said["failing"], said["partitions"], said["stale"]) == ([], [], {}, {})
    assert (said["publication"], said["last_batch"]) == (None, None)
    assert home.update().publication is None
    assert now(home)["last_batch"]["partitions"] == {}


def test_a_day(home: Home) -> None:
    home.sell(
        "a.csv", sale(on=0), sale(on=0), sale(on=2, receipt="R2"), sale("Süd/2", on=1), sale(quantity="x"),
        sale(product="POSTAGE"), '"S1",R9,yesterday,P1,1,1\n',
    )  # fmt: skip
    home.sell("b.csv", sale(on=5))
    home.sell("bb.csv", sale(on=5))
    home.drop("products.csv", "product,category,unit_cost\nP1,tea,1\n,tea,1\n")
    home.drop("bad.csv", b"\x00")
    home.drop("later.csv.part", "")
    report = home.update()
    said = now(home)
    assert said["lines"] == {"in": 9, "clean": 4, "set_aside": 3, "duplicates": 2, "redelivered": 1}
    assert said["set_aside_by_reason"] == {"bad_date": 1, "bad_quantity": 1, "not_a_product": 1}
    assert said["reference_set_aside_by_reason"] == {"bad_reference": 1}
    assert said["files"] == {
        "taken": 4, "failing": 1, "withdrawn": 0, "redelivered": 1, "waiting": 1,
        "waiting_for": {"later.csv.part": "temporary name; it is taken once it is renamed"},
    }  # fmt: skip
    assert said["stores"] == [
        {"store": "S1", "first_day": day(0), "last_day": day(5), "days": 3, "lines": 3},
        {"store": "Süd/2", "first_day": day(1), "last_day": day(1), "days": 1, "lines": 1},
    ]
    assert said["partitions"]["clean_sales"] == 4
    assert said["partitions"]["product_kpis"] == 7
    assert said["stale"] == {}
    assert report.publication is not None
    assert said["publication"] == {"id": report.publication.id, "at": "2026-03-31T12:00:00+00:00"}
    assert said["last_batch"]["partitions"] == report.partitions
    assert set(said["last_batch"]["layers"]) == set(report.layers)


def test_what_waits_for_the_next_update(home: Home) -> None:
    home.sell("a.csv", sale())
    assert now(home)["files"]["waiting_for"] == {"a.csv": "next update"}
    home.update()
    forget(home.platform, store="S1")
    assert now(home)["stale"]["clean_sales"] == 1
    home.update()
    assert now(home)["stale"] == {}


def test_a_batch_that_did_not_end_is_not_the_last(home: Home) -> None:
    home.sell("a.csv", sale())
    home.update()
    before = now(home)["last_batch"]

    class Failing:
        def progress(self, layer: str, done: int, total: int) -> None:
            pass

        def step(self, name: str) -> None:
            raise RuntimeError(name)

    home.sell("a.csv", sale(quantity=2))
    with pytest.raises(RuntimeError):
        home.update(Failing())
    assert now(home)["last_batch"] == before
    assert now(home)["lines"]["clean"] == 1
