"""The smallest history that still fails: events left out, then lines of files.

Hypothesis alone gives up after five minutes: it tries hundreds of histories, and each takes about a second. Leaving out
halves, quarters and single pieces takes some thirty. Belongs here: leaving out. Does not belong here: what fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from emma_platform_tests.recompute.events import Drop, Event

T = TypeVar("T")


def smallest(history: Sequence[Event], fails: Callable[[list[Event]], bool]) -> list[Event]:
    """A part of a failing history, and of its files, of which nothing more can be left out."""
    left = _fewest(list(history), fails)
    for place in range(len(left)):
        event = left[place]
        if isinstance(event, Drop):
            left = _with_fewer_lines(left, place, event, fails)
    return left


def _with_fewer_lines(
    history: list[Event], place: int, event: Drop, fails: Callable[[list[Event]], bool]
) -> list[Event]:
    header, *lines = event.text.splitlines(keepends=True)

    def of(some: list[str]) -> list[Event]:
        return [*history[:place], Drop(event.name, "".join([header, *some])), *history[place + 1 :]]

    return of(_fewest(lines, lambda some: fails(of(some))))


def _fewest(items: list[T], fails: Callable[[list[T]], bool]) -> list[T]:
    size = len(items)
    while size:
        start = 0
        while start < len(items):
            fewer = items[:start] + items[start + size :]
            if fails(fewer):
                items = fewer
            else:
                start += size
        size //= 2
    return items
