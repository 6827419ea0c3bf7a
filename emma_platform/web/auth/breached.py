"""Passwords that became known in breaches: a file of their hashes, searched where it lies.

Belongs here: the form of the file and finding a password in it. Does not belong here: what else makes a password bad
(`passwords`).

The file is the one that the Pwned Passwords downloader writes (https://haveibeenpwned.com/Passwords): a line a
password, its SHA-1 in capital hexadecimals, a colon and how often it was seen, sorted by hash. It is mapped, not read:
of some 40 GB a search touches some 35 pages. No password leaves the machine, not even a part of its hash.
"""

from __future__ import annotations

import hashlib
import mmap
import re
from dataclasses import dataclass
from pathlib import Path

_HEX = 40
_LINE = re.compile(rb"[0-9A-F]{%d}(:\d+)?\r?\n" % _HEX)
_LONGEST = _HEX + 32
"""Bytes that a line takes at most."""


class HashFileError(Exception):
    """The file of hashes cannot be used; the message says why."""


@dataclass(frozen=True)
class Breached:
    """The passwords of a file; without one, none are known.

    Attributes:
        lines: the file's.
    """

    lines: bytes | mmap.mmap = b""

    @classmethod
    def of(cls, file: Path | None) -> Breached:
        """The passwords of a file.

        Raises:
            HashFileError: it cannot be read, or its first line is no such line.
        """
        if file is None:
            return cls()
        try:
            with file.open("rb") as handle:
                first = handle.read(_LONGEST)
                if _LINE.match(first):
                    return cls(mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ))
        except OSError as error:
            raise HashFileError(f"the breached passwords in {file} cannot be read: {error.strerror}") from error
        raise HashFileError(
            f"{file} must hold lines of SHA-1 hashes in capitals, sorted, as the Pwned Passwords downloader writes them"
        )

    def holds(self, password: str) -> bool:
        """Whether the password is among them."""
        wanted = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
        low, high = 0, len(self.lines)
        while low < high:
            start = self.lines.rfind(b"\n", low, (low + high) // 2) + 1 or low
            found = self.lines[start : start + _HEX]
            if found == wanted:
                return True
            if found < wanted:
                low = (self.lines.find(b"\n", start) + 1) or high
            else:
                high = start
        return False
