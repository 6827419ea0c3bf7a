"""What a request shows: the publications there are follow the pointer, though it is not read for every page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from emma_platform.serving.publication import POINTER, Publication, point_to
from emma_platform.settings import Settings
from emma_platform.web.publication_shown import Shown


def test_the_publications_that_can_be_read_are_those_of_the_pointer_as_it_is_now(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    settings.published.mkdir(parents=True)
    shown = Shown(cast("Any", None), None, settings)
    assert shown.publications() == ()
    made: list[Publication] = []
    for number in range(3):
        at = datetime(2026, 11, 22, number, tzinfo=UTC)
        newest = Publication(f"p{number}", at, settings.published / f"serving-p{number}.duckdb", {}, {}, "")
        point_to(settings.published, newest, made[:1], ())
        made.insert(0, newest)
        assert shown.publications() == tuple(made[:2])
        assert shown.publications() is shown.publications()
    (settings.published / POINTER).unlink()
    assert shown.publications() == ()
