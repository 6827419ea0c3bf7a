"""Random tokens and the hashes that are kept of them.

Belongs here: making and hashing what nobody can guess. Does not belong here: passwords, which people choose
(`passwords`).
"""

from __future__ import annotations

import hashlib
import secrets

TOKEN_BYTES = 32
"""256 bits: beyond guessing, so that a plain SHA-256 is all the protection its hash needs."""


def new_token(prefix: str = "") -> str:
    """A new token; 43 characters that may stand in cookies and addresses, after the prefix."""
    return prefix + secrets.token_urlsafe(TOKEN_BYTES)


def hash_of(token: str) -> str:
    """What is kept of a token, in hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
