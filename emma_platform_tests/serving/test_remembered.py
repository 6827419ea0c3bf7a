"""Answers are made once, for all who ask, and kept within their bound."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from emma_platform.serving.remembered import Remembered


def counted(calls: list[str], answer: str) -> str:
    calls.append(answer)
    return answer


def test_an_answer_is_made_once() -> None:
    calls: list[str] = []
    kept = Remembered[str](2)
    assert [kept.of("a", lambda: counted(calls, "A")) for _ in range(3)] == ["A"] * 3
    assert calls == ["A"]


def test_who_asks_while_it_is_made_waits_for_it() -> None:
    kept, begun, go = Remembered[str](2), threading.Event(), threading.Event()

    def slowly() -> str:
        begun.set()
        assert go.wait(30)
        return "A"

    def never() -> str:
        raise AssertionError("made a second time")

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(kept.of, "a", slowly)
        assert begun.wait(30)
        second = threads.submit(kept.of, "a", never)
        go.set()
        assert (first.result(30), second.result(30)) == ("A", "A")


def test_the_one_asked_for_longest_ago_gives_way() -> None:
    calls: list[str] = []
    kept = Remembered[str](5, len)
    for answer in ("aa", "bb", "aa", "cc"):
        kept.of(answer, lambda answer=answer: counted(calls, answer))  # type: ignore[misc]
    kept.of("aa", lambda: counted(calls, "aa"))
    assert calls == ["aa", "bb", "cc"]
    kept.of("bb", lambda: counted(calls, "bb"))
    assert calls == ["aa", "bb", "cc", "bb"]


def test_what_is_too_large_or_no_longer_holds_is_not_kept_and_drives_nothing_out() -> None:
    calls: list[str] = []
    kept = Remembered[str](5, len)
    kept.of("a", lambda: counted(calls, "a"))
    for _ in range(2):
        kept.of("large", lambda: counted(calls, "larger"))
        kept.of("moved", lambda: counted(calls, "moved"), holds=lambda: False)
    kept.of("a", lambda: counted(calls, "a"))
    assert calls == ["a", "larger", "moved", "larger", "moved"]


def test_a_failure_is_everybodys_and_not_kept() -> None:
    kept = Remembered[str](2)

    def failing() -> str:
        raise LookupError("no such thing")

    with pytest.raises(LookupError):
        kept.of("a", failing)
    assert kept.of("a", lambda: "A") == "A"
