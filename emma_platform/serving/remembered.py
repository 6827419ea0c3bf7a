"""Answers that cost something and do not change, kept for the next who asks.

Belongs here: keeping them within a bound, and one making for all who ask at once. Does not belong here: any question.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


def _one(_: object) -> int:
    return 1


class Remembered(Generic[Answer]):
    """The answers that were asked for last; threads may share it."""

    def __init__(self, most: int, size: Callable[[Answer], int] = _one) -> None:
        """Keep answers while their sizes sum to at most so much; by default so many."""
        self._most = most
        self._size = size
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Future[Answer]] = OrderedDict()
        self._sizes: dict[Hashable, int] = {}

    def of(self, key: Hashable, make: Callable[[], Answer], *, holds: Callable[[], bool] = lambda: True) -> Answer:
        """The answer to a question; who asks while it is made waits for it.

        Args:
            key: the question.
            make: finds the answer; what it raises is raised to all who wait, and nothing is kept.
            holds: whether what was made is still of this question; it is asked afterwards, and if not, not kept.
        """
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
            else:
                mine = self._kept[key] = Future()
        if known is not None:
            return known.result()
        try:
            answer = make()
        except BaseException as error:
            self._forget(key)
            mine.set_exception(error)
            raise
        mine.set_result(answer)
        size = self._size(answer)
        if size > self._most or not holds():
            self._forget(key)
            return answer
        with self._lock:
            self._sizes[key] = size
            while sum(self._sizes.values()) > self._most:
                # One that is still being made has no size yet, and stays.
                oldest = next(one for one in self._kept if one in self._sizes)
                del self._kept[oldest], self._sizes[oldest]
        return answer

    def _forget(self, key: Hashable) -> None:
        with self._lock:
            self._kept.pop(key, None)
