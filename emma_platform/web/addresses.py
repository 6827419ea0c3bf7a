"""Stores and products in the address of a page: any name, one segment each, and back.

Belongs here: spelling a name so that no browser, proxy or router takes a part of it for something else. Does not belong
here: which pages there are (`pages`).

Percent-encoding is not enough: `%2F` is a slash again before the router sees it, and browsers resolve the segments `.`
and `..`. So these few characters are written as a tilde and their code; letters of any script stay as they are.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote

_RISKY = re.compile(r"[~/\\%\x00-\x20\x7f]|^\.+$")
_WRITTEN = re.compile(r"~([0-9a-f]{2})")
EMPTY = "~"
"""The empty name."""


@lru_cache(maxsize=50_000)
def segment(name: str) -> str:
    """The name as one segment of a path, percent-encoded."""
    if not name:
        return EMPTY
    return quote(_RISKY.sub(lambda risky: "".join(f"~{ord(sign):02x}" for sign in risky[0]), name), safe="~")


def name_of(segment: str) -> str:
    """The name that a segment (percent-decoded, as routers give it) stands for."""
    return "" if segment == EMPTY else _WRITTEN.sub(lambda code: chr(int(code[1], 16)), segment)


def written(path: str) -> str:
    """A path as it stands in an address, from the percent-decoded one that servers give."""
    return quote(path, safe="/~")


def product_path(store: str, product: str) -> str:
    """The address of a product's page."""
    return f"/products/{segment(store)}/{segment(product)}"
