"""What lies in the landing folder, and the copy of it in the archive."""

import errno
import gzip
import hashlib
import os
from datetime import date
from pathlib import Path

import pytest

from emma_platform.sources.archive import NAMES
from emma_platform.sources.protocol import Sighting, SourceError
from emma_platform_tests.sources.conftest import HEADER, NOW_NS, ROW, TODAY, Desk


def leftovers(desk: Desk) -> list[Path]:
    """All that lies in the archive but the list of names."""
    return [p for p in (desk.home / "archive").rglob("*") if p.is_file() and p.name != NAMES]


def age(desk: Desk, name: str, seconds: float) -> None:
    moment = NOW_NS - int(seconds * 1e9)
    os.utime(desk.landing / name, ns=(moment, moment))


def test_new_files_are_ready_in_the_order_of_their_names(desk: Desk):
    for name in ("b.csv", "a/z.csv", "a/a.csv.gz", "A.parquet"):
        desk.drop(name, "x")
        age(desk, name, 5)
    scan = desk.source().scan({})
    assert [s.name for s in scan.ready] == ["A.parquet", "a/a.csv.gz", "a/z.csv", "b.csv"]
    assert scan.ready[0].size == 1
    assert scan.waiting == {}


def test_a_file_that_is_known_is_ready_again_only_when_size_or_time_differ(desk: Desk):
    desk.drop("a.csv", "one")
    age(desk, "a.csv", 5)
    source = desk.source()
    known = {s.name: s for s in source.scan({}).ready}
    assert source.scan(known).ready == []
    age(desk, "a.csv", 4)
    assert [s.name for s in source.scan(known).ready] == ["a.csv"]
    desk.drop("a.csv", "three")
    age(desk, "a.csv", 5)
    assert [s.size for s in source.scan(known).ready] == [5]


@pytest.mark.parametrize("name", [".a.csv", "~$a.xlsx", "a.csv.swp", ".hidden/a.csv"])
def test_hidden_files_and_those_of_editors_are_passed_over(desk: Desk, name: str):
    desk.drop(name, "x")
    age(desk, name, 60)
    scan = desk.source().scan({})
    assert (scan.ready, scan.waiting) == ([], {})
    assert desk.source().scan({}).present == set()


@pytest.mark.parametrize("ending", ["tmp", "part", "partial", "crdownload", "filepart", "PART"])
def test_temporary_names_wait(desk: Desk, ending: str):
    desk.drop(f"a.csv.{ending}", "x")
    age(desk, f"a.csv.{ending}", 60)
    scan = desk.source().scan({})
    assert scan.ready == []
    assert "renamed" in scan.waiting[f"a.csv.{ending}"]


def test_a_file_that_changed_just_now_waits_and_is_ready_when_it_has_been_quiet(desk: Desk):
    desk.drop("a.csv", "x")
    age(desk, "a.csv", 1.5)
    desk.drop("b.csv", "x")
    age(desk, "b.csv", 1)
    scan = desk.source().scan({})
    assert scan.waiting == {"a.csv": "still growing", "b.csv": "still growing"}
    assert scan.ready_in == pytest.approx(0.5)
    desk.now_ns += 500_000_000
    scan = desk.source().scan({})
    assert [s.name for s in scan.ready] == ["a.csv"]
    assert scan.ready_in == pytest.approx(0.5)
    desk.now_ns += 500_000_000
    scan = desk.source().scan({})
    assert [s.name for s in scan.ready] == ["a.csv", "b.csv"]
    assert scan.ready_in is None


def test_a_time_in_the_future_does_not_keep_a_file_waiting_for_ever(desk: Desk):
    desk.drop("a.csv", "x")
    created = (desk.landing / "a.csv").stat().st_ctime_ns
    desk.now_ns = created + 10_000_000_000
    ahead = created + 3_600_000_000_000
    os.utime(desk.landing / "a.csv", ns=(ahead, ahead))
    assert [s.name for s in desk.source().scan({}).ready] == ["a.csv"]


def test_an_unknown_ending_waits_with_a_remedy(desk: Desk):
    desk.drop("report.pdf", "x")
    age(desk, "report.pdf", 60)
    assert ".csv" in desk.source().scan({}).waiting["report.pdf"]


def test_links_are_followed_to_files_only_and_what_is_no_file_is_passed_over(desk: Desk, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "real.csv").write_text("x")
    os.utime(elsewhere / "real.csv", ns=(NOW_NS - 10**10, NOW_NS - 10**10))
    (desk.landing / "link.csv").symlink_to(elsewhere / "real.csv")
    (desk.landing / "folder").symlink_to(elsewhere)
    (desk.landing / "broken.csv").symlink_to(elsewhere / "none.csv")
    os.mkfifo(desk.landing / "pipe.csv")
    scan = desk.source().scan({})
    assert [s.name for s in scan.ready] == ["link.csv"]
    assert scan.waiting == {}


def test_a_name_that_is_no_text_waits(desk: Desk):
    path = os.fsencode(desk.landing) + b"/caf\xe9.csv"
    Path(os.fsdecode(path)).write_text("x")
    assert list(desk.source().scan({}).waiting.values()) == ["the name is not UTF-8; rename it"]


def test_a_missing_landing_folder_is_an_error_with_a_remedy(desk: Desk):
    desk.landing.rmdir()
    with pytest.raises(SourceError, match="EMMA_HOME"):
        desk.source().scan({})


def test_present_names_what_lies_there_whatever_its_state(desk: Desk):
    desk.drop("a/b.csv", "x")
    desk.drop("c.pdf", "x")
    assert desk.source().scan({}).present == {"a/b.csv", "c.pdf"}
    (desk.landing / "a/b.csv").unlink()
    assert desk.source().scan({}).present == {"c.pdf"}


def test_a_taken_file_lies_in_the_archive_under_its_hash_with_its_time(desk: Desk):
    data = os.urandom(3_000_000)
    sighting = desk.drop("a/b.csv", data)
    taken = desk.source().take(sighting, TODAY)
    sha256 = hashlib.sha256(data).hexdigest()
    assert (taken.name, taken.size, taken.mtime_ns) == ("a/b.csv", len(data), sighting.mtime_ns)
    assert (taken.sha256, taken.taken_on) == (sha256, TODAY)
    kept = desk.home / "archive" / sha256[:2] / sha256
    assert kept.read_bytes() == data
    assert kept.stat().st_mtime_ns == sighting.mtime_ns
    assert leftovers(desk) == [kept]


def test_the_same_bytes_are_kept_once(desk: Desk):
    first = desk.take("a.csv", "x")
    kept = desk.home / "archive" / first.sha256[:2] / first.sha256
    before = kept.stat()
    second = desk.take("b.csv", "x")
    assert second.sha256 == first.sha256
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert leftovers(desk) == [kept]


def test_an_entry_that_a_power_cut_left_without_its_bytes_is_written_again(desk: Desk):
    taken = desk.take("a.csv", HEADER + ROW)
    kept = desk.home / "archive" / taken.sha256[:2] / taken.sha256
    os.truncate(kept, 0)
    desk.take("a.csv", HEADER + ROW)
    assert kept.read_text() == HEADER + ROW


@pytest.mark.parametrize("change", ["size", "time"])
def test_a_file_that_changed_since_it_was_seen_is_not_taken(desk: Desk, change: str):
    sighting = desk.drop("a.csv", "x")
    if change == "size":
        desk.drop("a.csv", "xx")
        os.utime(desk.landing / "a.csv", ns=(sighting.mtime_ns, sighting.mtime_ns))
    else:
        age(desk, "a.csv", 100)
    with pytest.raises(SourceError, match=r"a\.csv is still growing"):
        desk.source().take(sighting, TODAY)
    assert leftovers(desk) == []


def test_a_file_that_vanished_is_not_taken(desk: Desk):
    with pytest.raises(SourceError, match="vanished"):
        desk.source().take(Sighting("gone.csv", 1, 1), TODAY)
    assert leftovers(desk) == []


@pytest.mark.parametrize(("number", "words"), [(errno.ENOSPC, "disk .* full"), (errno.EACCES, "Make it readable")])
def test_a_copy_that_fails_leaves_nothing_and_says_what_to_do(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, number: int, words: str
):
    sighting = desk.drop("a.csv", "x")

    def fail(path: Path, ns: tuple[int, int]) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "utime", fail)
    with pytest.raises(SourceError, match=words):
        desk.source().take(sighting, TODAY)
    assert leftovers(desk) == []


def test_what_is_read_is_the_archive_not_the_landing_folder(desk: Desk):
    taken = desk.take("a.csv.gz", gzip.compress((HEADER + ROW).encode()))
    (desk.landing / "a.csv.gz").write_text("something else")
    (delivery,) = desk.source().read(taken, {})
    assert delivery.rows["day"].to_pylist() == [date(2026, 11, 22)]


def test_a_lost_archive_entry_is_an_error_with_a_remedy(desk: Desk):
    taken = desk.take("a.csv", HEADER + ROW)
    for path in leftovers(desk):
        path.unlink()
    with pytest.raises(SourceError, match="Drop it again"):
        list(desk.source().read(taken, {}))
