"""Passwords: hashed, verified, and refused when they are easily guessed.

Belongs here: argon2 and the rules for a new password. Does not belong here: how often somebody may try (`attempts`).

Hashing takes tenths of a second by intent, so it runs on two threads of its own: however many try to sign in, pages
are served meanwhile, and memory stays at two times 19 MiB. The parameters are the first choice of the OWASP password
storage cheat sheet for argon2id on 19 MiB (2 passes, one lane).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from emma_platform.web.auth.breached import Breached

SHORTEST = 8
ADVISED = 15
LONGEST = 128
GUESSABLE = 3
"""Least zxcvbn score (0 to 4): beyond 10^8 guesses."""

KNOWN = "Others used this one, and it became known when their data was stolen; take another that is only yours."

_WEIGHED = 72
"""Characters that zxcvbn looks at: its time grows with the square of the length."""

_SIMULTANEOUS = 2
_PARTS = re.compile(r"\w{3,}")

Result = TypeVar("Result")


class Passwords:
    """Hashes, verifies and judges passwords; may be shared by every request of a process."""

    def __init__(self, *, passes: int = 2, kibibytes: int = 19 * 1024, breached: Breached | None = None) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=kibibytes, parallelism=1)
        self._threads = ThreadPoolExecutor(_SIMULTANEOUS, thread_name_prefix="passwords")
        self._breached = breached or Breached()

    async def hash(self, password: str) -> str:
        """What is kept of a password, on one of the threads."""
        return await self._on_a_thread(lambda: self.hash_now(password))

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Whether it is the password, on one of the threads; takes as long when there is none to compare with."""
        return await self._on_a_thread(lambda: self._matches(password, password_hash))

    def hash_now(self, password: str) -> str:
        """What is kept of a password, on the caller's thread."""
        return self._hasher.hash(password)

    def is_outdated(self, password_hash: str) -> bool:
        """It was made with other parameters than a new one would be."""
        return self._hasher.check_needs_rehash(password_hash)

    def what_is_wrong(self, password: str, context: Iterable[str]) -> str | None:
        """Why a new password is refused, as the function of this name says, or because it became known somewhere."""
        if wrong := what_is_wrong(password, context):
            return wrong
        return KNOWN if self._breached.holds(password) else None

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash("nobody has this password")

    def _matches(self, password: str, password_hash: str | None) -> bool:
        if len(password) > LONGEST:
            return False
        try:
            return self._hasher.verify(password_hash or self._nobodys, password) and password_hash is not None
        except (VerificationError, InvalidHashError):
            return False

    async def _on_a_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def what_is_wrong(password: str, context: Iterable[str]) -> str | None:
    """Why a new password is refused, in words for who chose it; None when it is good.

    Args:
        password: taken as it is: nothing is trimmed or changed.
        context: words that everybody would try first: the user's name, the company's.
    """
    if len(password) < SHORTEST:
        return f"Too short: at least {SHORTEST} characters; {ADVISED} or more are better."
    if len(password) > LONGEST:
        return f"Too long: at most {LONGEST} characters."
    words = [part for word in ("emma platform", *context) for part in _PARTS.findall(word.casefold())]
    if len(_without(password.casefold(), words)) < SHORTEST:
        return f"Too easily guessed: without the words that everybody would try, less than {SHORTEST} characters stay."
    from zxcvbn import zxcvbn

    found = zxcvbn(password[:_WEIGHED], user_inputs=words, max_length=_WEIGHED)
    if found["score"] >= GUESSABLE:
        return None
    advice = " ".join([found["feedback"]["warning"], *found["feedback"]["suggestions"]]).strip()
    return f"Too easily guessed. {advice or 'Add another word or two; uncommon words are better.'}"


def _without(password: str, words: Iterable[str]) -> str:
    """What stays of a password without some words and what joins them; all of it when it holds none of them."""
    rest = password
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, "")
    return password if rest == password else rest.strip(" -_.,;:/")
