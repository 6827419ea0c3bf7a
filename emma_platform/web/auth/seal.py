"""Secrets that have to be kept as they are, encrypted: who reads the user database without the key reads none.

Belongs here: the key, closing and opening. Does not belong here: which secrets there are (`second_factor`).

AES-256 in Galois/counter mode (NIST SP 800-38D) with a random nonce; the user's number is bound in, so that a secret
copied to another user's row does not open. The key is in a file beside no backup of the database.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NONCE_BYTES, KEY_BYTES = 12, 32
_PLAIN_LETTERS = 32
"""A secret of 160 bits in base32; closed it takes the 64 letters of its column."""


class KeyFileError(Exception):
    """The file of the key cannot be used; the message says why."""


@dataclass(frozen=True)
class Seal:
    """Closes and opens secrets; without a key it leaves them as they are.

    Attributes:
        keys: of 32 bytes; the first one closes, each opens.
    """

    keys: Sequence[bytes] = ()

    @classmethod
    def of(cls, file: Path | None) -> Seal:
        """The keys of a file, one a line in base64; a new one goes before the others, which can go a start later.

        Raises:
            KeyFileError: it cannot be read, or a line is no such key.
        """
        if file is None:
            return cls()
        try:
            keys = [base64.b64decode(line, validate=True) for line in file.read_text(encoding="ascii").split()]
        except OSError as error:
            raise KeyFileError(f"the key in {file} cannot be read: {error.strerror}") from error
        except ValueError:
            keys = []
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise KeyFileError(f"{file} must hold a key of {KEY_BYTES} bytes: openssl rand -base64 32 > {file}")
        return cls(tuple(keys))

    def close(self, secret: str, user: int) -> str:
        """What is kept of a secret in base32."""
        if not self.keys:
            return secret
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(NONCE_BYTES)
        closed = AESGCM(self.keys[0]).encrypt(nonce, base64.b32decode(secret), _bound(user))
        return base64.urlsafe_b64encode(nonce + closed).decode()

    def open(self, kept: str, user: int) -> str | None:
        """The secret in base32; None when none of the keys opens it."""
        if len(kept) == _PLAIN_LETTERS:
            return kept
        return next((found for key in self.keys if (found := _opened(key, kept, user))), None)

    def is_current(self, kept: str, user: int) -> bool:
        """It is closed with the key that closes, or open where there is none."""
        if not self.keys:
            return len(kept) == _PLAIN_LETTERS
        return len(kept) != _PLAIN_LETTERS and _opened(self.keys[0], kept, user) is not None


def _opened(key: bytes, kept: str, user: int) -> str | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    closed = base64.urlsafe_b64decode(kept)
    try:
        secret = AESGCM(key).decrypt(closed[:NONCE_BYTES], closed[NONCE_BYTES:], _bound(user))
    except InvalidTag:
        return None
    return base64.b32encode(secret).decode()


def _bound(user: int) -> bytes:
    return f"second factor of {user}".encode()
