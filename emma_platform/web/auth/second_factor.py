"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for when it is lost.

Belongs here: making, showing and accepting them. Does not belong here: how often somebody may try (`attempts`).
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from datetime import datetime
from hmac import compare_digest

import pyotp
import sqlalchemy as sa

from emma_platform.web.auth.random_tokens import hash_of
from emma_platform.web.auth.schema import recovery_codes, users
from emma_platform.web.auth.seal import Seal
from emma_platform.web.auth.users import User

OPEN = Seal()
"""Secrets are kept as they are."""

STEP_SECONDS = 30
WINDOW = 1
"""Steps before and after the present one whose codes count: clocks differ."""

RECOVERY_CODES = 10
WRONG_FIRST_CODE = "This code is wrong. Look at the clock of your phone, and try the next."
_RECOVERY_BYTES = 10
"""80 bits: beyond guessing, and still short enough to type."""


def new_secret() -> str:
    """A new secret of 160 bits, in base32."""
    return pyotp.random_base32()


def address_for_apps(user: str, secret: str, company: str) -> str:
    """The otpauth address that apps read from the picture."""
    return pyotp.TOTP(secret).provisioning_uri(name=user, issuer_name=f"Emma {company}".strip())


def picture(address: str) -> str:
    """The QR code of an address, as an SVG in a data address."""
    import segno

    return segno.make(address, error="m").svg_data_uri(scale=4, border=4, light="white")


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The time step that a code belongs to; None when it belongs to none that counts."""
    totp = pyotp.TOTP(secret)
    present = int(now.timestamp()) // STEP_SECONDS
    steps = range(present - WINDOW, present + WINDOW + 1)
    return next((step for step in steps if _same(totp.generate_otp(step), code)), None)


def accept(connection: sa.Connection, user: User, typed: str, now: datetime, seal: Seal = OPEN) -> str | None:
    """Accept a code of the app or a recovery code, each of them once; the latter also where no key opens the secret.

    Returns:
        "code" or "recovery code" when it was right, else None.
    """
    code = "".join(typed.split()).lower()
    if user.totp_secret is None:
        return None
    secret = seal.open(user.totp_secret, user.id)
    step = None if secret is None else step_of(secret, code, now)
    if step is not None:
        return "code" if _use_step(connection, user.id, step) else None
    return "recovery code" if _use_recovery_code(connection, user.id, code, now) else None


def turn_on(connection: sa.Connection, user: int, secret: str, step: int, seal: Seal = OPEN) -> list[str]:
    """Ask a user for codes of this secret from now on; returns their recovery codes, which are kept nowhere."""
    kept = {"totp_secret": seal.close(secret, user), "totp_last_step": step}
    connection.execute(sa.update(users).where(users.c.id == user).values(kept))
    connection.execute(sa.delete(recovery_codes).where(recovery_codes.c.user_id == user))
    codes = [_new_recovery_code() for _ in range(RECOVERY_CODES)]
    _keep(connection, user, codes)
    return codes


def close_all(connection: sa.Connection, seal: Seal) -> int:
    """Have every secret closed with the key of now; returns how many no key opens, which stay as they are."""
    row, lost = users.c, 0
    for user, kept in connection.execute(sa.select(row.id, row.totp_secret).where(row.totp_secret.is_not(None))).all():
        if seal.is_current(kept, user):
            continue
        secret = seal.open(kept, user)
        if secret is None:
            lost += 1
        else:
            connection.execute(sa.update(users).where(row.id == user).values(totp_secret=seal.close(secret, user)))
    return lost


def turn_off(connection: sa.Connection, user: int) -> None:
    """Ask a user for no codes any more."""
    connection.execute(sa.update(users).where(users.c.id == user).values(totp_secret=None, totp_last_step=None))
    connection.execute(sa.delete(recovery_codes).where(recovery_codes.c.user_id == user))


def recovery_codes_left(connection: sa.Connection, user: int) -> int:
    """Recovery codes that were not used."""
    row = recovery_codes.c
    unused = sa.select(sa.func.count()).where(row.user_id == user, row.used_at.is_(None))
    return connection.execute(unused).scalar_one()


def _use_step(connection: sa.Connection, user: int, step: int) -> bool:
    row = users.c
    unused = (row.totp_last_step.is_(None)) | (row.totp_last_step < step)
    return connection.execute(sa.update(users).where(row.id == user, unused).values(totp_last_step=step)).rowcount == 1


def _use_recovery_code(connection: sa.Connection, user: int, code: str, now: datetime) -> bool:
    row = recovery_codes.c
    unused = (row.user_id == user, row.code_hash == hash_of(code.replace("-", "")), row.used_at.is_(None))
    return connection.execute(sa.update(recovery_codes).where(*unused).values(used_at=now)).rowcount == 1


def _new_recovery_code() -> str:
    text = base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def _keep(connection: sa.Connection, user: int, codes: Iterable[str]) -> None:
    connection.execute(
        sa.insert(recovery_codes), [{"user_id": user, "code_hash": hash_of(code.replace("-", ""))} for code in codes]
    )


def _same(one: str, other: str) -> bool:
    return compare_digest(one.encode(), other.encode())
