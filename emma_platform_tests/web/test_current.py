"""Following the pointer: what a request got stays what it is, and a newer publication is read by those who ask next."""

from __future__ import annotations

from pathlib import Path

import pytest

from emma_platform.model.access import EVERY_STORE
from emma_platform.serving.opened import Opened
from emma_platform.serving.publication import POINTER, ServingError
from emma_platform.web import current
from emma_platform.web.current import CurrentReader
from emma_platform_tests.web.publications import PRODUCT, STORE, PublishedHome


@pytest.fixture
def home(tmp_path: Path) -> PublishedHome:
    return PublishedHome(tmp_path / "home")


def test_a_reader_stays_with_its_publication_when_another_is_published(home: PublishedHome) -> None:
    reader = CurrentReader(home.settings.published)
    with pytest.raises(ServingError, match="emma update"):
        reader.newest()
    first = home.publish(0)
    held = reader.newest()
    before = held.product(EVERY_STORE, STORE, PRODUCT).kpis
    second = home.publish(1, keep=1)
    reader.follow()
    assert reader.newest().publication == second
    assert reader.newest().product(EVERY_STORE, STORE, PRODUCT).kpis != before
    assert held.publication == first
    assert held.product(EVERY_STORE, STORE, PRODUCT).kpis == before


def test_no_request_pays_for_the_first_list_and_page_of_a_newer_publication(
    home: PublishedHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.publish(0)
    reader = CurrentReader(home.settings.published)
    reader.newest()
    home.publish(1)
    reader.follow()
    newest = reader.newest()

    def refused(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Opened, "_fetched", refused)
    monkeypatch.setattr(Opened, "rows", refused)
    assert newest.listing(EVERY_STORE).rows.num_rows == 6
    assert newest.product(EVERY_STORE, STORE, PRODUCT).kpis.num_rows == 10


def test_whoever_asks_later_makes_it_look_again(home: PublishedHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current, "LOOK_SECONDS", 0.0)
    home.publish(0)
    reader = CurrentReader(home.settings.published)
    reader.newest()
    second = home.publish(1)
    while reader.newest().publication != second:
        pass


def test_a_damaged_pointer_leaves_the_publication_before_readable(home: PublishedHome) -> None:
    first = home.publish(0)
    reader = CurrentReader(home.settings.published)
    reader.newest()
    (home.settings.published / POINTER).write_text("{")
    reader.follow()
    assert reader.newest().publication == first


def test_an_earlier_publication_can_be_read_while_it_is_kept(home: PublishedHome) -> None:
    first, second = home.publish(0), home.publish(1)
    reader = CurrentReader(home.settings.published)
    assert reader.newest().publication == second
    assert reader.known_on(first.id).publication == first
    assert reader.known_on(first.id) is reader.known_on(first.id)
    with pytest.raises(ServingError, match="kept are: p1-2, p0-1"):
        reader.known_on("p9")
