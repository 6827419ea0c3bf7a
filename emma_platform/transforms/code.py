"""The digest of the code that a transform's result follows from.

Belongs here: the module and all that it imports of this package. Does not belong here: which tables follow from which
module (`recompute.code`) and the digest of a statement (`sql`).
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources

TRANSFORMS = "emma_platform.transforms"
_IMPORT = re.compile(rf"^\s*from {re.escape(TRANSFORMS)}\.(\w+) import", re.MULTILINE)
"""How a transform imports another, also within a function. Parsed instead, the modules took 0.4 s of each run."""


@cache
def source(module: str) -> str:
    """The digest of a transform's module and of every transform that it imports, itself or through others."""
    texts: dict[str, str] = {}
    wanted = {module}
    while wanted:
        name = wanted.pop()
        texts[name] = _text(name)
        wanted |= {*_IMPORT.findall(texts[name])} - texts.keys()
    return hashlib.blake2b("\x1f".join(texts[name] for name in sorted(texts)).encode(), digest_size=16).hexdigest()


@cache
def _text(module: str) -> str:
    return (resources.files(TRANSFORMS) / f"{module}.py").read_text("utf-8")
