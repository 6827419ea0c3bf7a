import gzip
from datetime import date

import pytest

from emma_platform.demo import stories
from emma_platform.demo.landing import write_landing
from emma_platform.model.partitions import StoreDay
from emma_platform_tests.demo.test_landing import agrees, digests

HELD = [StoreDay("S001", date(2026, 11, 3)), StoreDay("S001", date(2026, 11, 4))]


@pytest.fixture
def loaded(tmp_path, small_chain):
    return write_landing(small_chain, tmp_path, withhold=HELD)


def test_late_days_bring_what_was_withheld(tmp_path, small_chain, loaded):
    story = stories.late_days(small_chain, tmp_path, loaded)
    assert story.changed == set(HELD)
    assert story.injected == write_landing(small_chain, tmp_path / "whole")
    whole = digests(tmp_path / "whole")
    assert {name: whole[name] for name in story.files} == {
        name: digest for name, digest in digests(tmp_path).items() if name in story.files
    }


def test_a_corrected_day_changes_itself_only(tmp_path, small_chain, loaded):
    before = digests(tmp_path)
    story = stories.corrected_day(small_chain, tmp_path, loaded)
    after = digests(tmp_path)
    assert {name for name in after if after[name] != before.get(name)} == set(story.files)
    (day,) = story.changed
    now, then = story.injected.accepted, loaded.accepted
    assert {key for key in now if now[key] != then[key]} == {day}
    assert now[day].units == then[day].units + 1
    assert story.injected.set_aside < loaded.set_aside
    agrees(tmp_path, story.injected)


def test_a_redelivered_file_adds_duplicates_only(tmp_path, small_chain, loaded):
    story = stories.redelivered_file(small_chain, tmp_path, loaded)
    name, again = story.files
    found = digests(tmp_path)
    assert found[name] == found[again]
    assert not story.changed
    assert story.injected.accepted == loaded.accepted
    added = story.injected.lines_in - loaded.lines_in
    assert added == len((tmp_path / name).read_text().splitlines()) - 1
    assert story.injected.duplicates == loaded.duplicates + added
    assert story.injected.set_aside == loaded.set_aside
    agrees(tmp_path, story.injected)


def test_half_written_and_broken_files_count_for_nothing(tmp_path, small_chain, loaded):
    half = stories.half_written_file(small_chain, tmp_path, loaded)
    broken = stories.broken_file(small_chain, tmp_path, half.injected)
    growing, cut = half.files
    assert growing.endswith(".part")
    with pytest.raises(EOFError):
        gzip.decompress((tmp_path / cut).read_bytes())
    with pytest.raises(UnicodeDecodeError):
        (tmp_path / broken.files[0]).read_text("utf-8")
    after = broken.injected
    assert (after.waiting, after.failing) == (1, 2)
    assert (after.lines_in, after.accepted, after.files) == (loaded.lines_in, loaded.accepted, loaded.files)


def test_stories_follow_one_another(tmp_path, small_chain, loaded):
    injected = loaded
    for tell in (stories.redelivered_file, stories.corrected_day, stories.late_days):
        injected = tell(small_chain, tmp_path, injected).injected
    agrees(tmp_path, injected)
