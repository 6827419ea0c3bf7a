"""Signing in with the company's own accounts: OpenID Connect, by code with PKCE and nonce.

Belongs here: the way to the company's provider and back. Does not belong here: users (the provider makes none: who
comes back must be one already, by name) and sessions (`sign_in`).

What has to be remembered on the way (state, nonce, the secret half of PKCE) stays in a cookie of the browser that went
there: whoever brings an answer from elsewhere has none of it.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool

from emma_platform.web.auth import cookies, sign_in, users
from emma_platform.web.auth.audit import Event
from emma_platform.web.auth.state import auth_of, log
from emma_platform.web.auth.users import User

if TYPE_CHECKING:
    from emma_platform.settings import Settings

router = APIRouter(include_in_schema=False)

ON_THE_WAY_SECONDS = 600
_BACK = "/login/company/back"
UNREACHABLE = "The company's sign-in cannot be reached. Try again later, or sign in with your password here."


@router.get("/login/company")
async def leave(request: Request, next: str = "/") -> Response:  # noqa: A002 - the field's name
    """To the company's provider."""
    client = _client(request)
    if not cookies.can_sign_in(request):
        raise HTTPException(400, cookies.READ_ALONG)
    request.scope["session"] = {"next": sign_in.safe_onward(next)}
    settings = auth_of(request).settings
    back = (settings.public_url or str(request.base_url)).rstrip("/") + _BACK
    from httpx2 import HTTPError

    try:
        answer: Response = await client.authorize_redirect(request, back)
    except HTTPError as error:
        raise HTTPException(502, UNREACHABLE) from error
    kept = base64.urlsafe_b64encode(json.dumps(request.session).encode()).decode()
    answer.set_cookie(
        _cookie(request), kept, max_age=ON_THE_WAY_SECONDS, secure=cookies.is_secure(request), httponly=True,
        samesite="lax", path="/",
    )  # fmt: skip
    return answer


@router.get(_BACK)
async def come_back(request: Request) -> Response:
    """Back from the provider: who it says it is, when that is a user here."""
    from authlib.integrations.base_client import OAuthError
    from httpx2 import HTTPError
    from joserfc.errors import JoseError

    client = _client(request)
    request.scope["session"] = _kept(request)
    onward = sign_in.safe_onward(request.session.get("next"))
    try:
        token = await client.authorize_access_token(request)
    except HTTPError as error:
        raise HTTPException(502, UNREACHABLE) from error
    except (OAuthError, JoseError, ValueError) as error:
        await run_in_threadpool(_log, request, f"company account: {type(error).__name__}")
        raise HTTPException(401, "The company's sign-in did not succeed. Try again.") from error
    user = await run_in_threadpool(_user, request, dict(token.get("userinfo") or {}))
    if user is None:
        raise HTTPException(403, "You have no access here. Whoever runs Emma Platform here can give it to you.")
    answer = await run_in_threadpool(lambda: sign_in.let_in(request, user, onward, how="company account"))
    answer.delete_cookie(_cookie(request), secure=cookies.is_secure(request), httponly=True, samesite="lax", path="/")
    return answer


def is_offered(settings: Settings) -> bool:
    """The settings name a provider."""
    return bool(settings.oidc_issuer and settings.oidc_client_id)


def _client(request: Request) -> Any:  # noqa: ANN401 - Authlib is not typed, and an extra
    """The client of the provider, made once for an application: it keeps what the provider says of itself."""
    settings = auth_of(request).settings
    if not is_offered(settings):
        raise HTTPException(404)
    known = request.app.state
    if not hasattr(known, "oidc"):
        from authlib.integrations.starlette_client import OAuth

        secret = settings.oidc_client_secret
        known.oidc = OAuth().register(
            "company",
            client_id=settings.oidc_client_id,
            client_secret=secret.get_secret_value() if secret else None,
            server_metadata_url=f"{str(settings.oidc_issuer).rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
        )
    return known.oidc


def _user(request: Request, said: dict[str, Any]) -> User | None:
    """The user whom the provider's claim names; a mail address counts unless the provider says it is not verified."""
    auth = auth_of(request)
    claim = auth.settings.oidc_name_claim
    name = said.get(claim)
    if not isinstance(name, str) or (claim == "email" and said.get("email_verified") is False):
        _log(request, f"company account: no {claim}")
        return None
    with auth.database.reading() as connection:
        user = users.find(connection, name)
    if user is None or user.disabled:
        _log(request, "company account: no user", user)
        return None
    return user


def _cookie(request: Request) -> str:
    return f"{cookies.SECURE_NAME if cookies.is_secure(request) else cookies.LOOPBACK_NAME}-on-the-way"


def _kept(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(base64.urlsafe_b64decode(request.cookies.get(_cookie(request), "")))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _log(request: Request, detail: str, user: User | None = None) -> None:
    with auth_of(request).database.writing() as connection:
        log(request, connection, Event.SIGN_IN_FAILED, actor=user.name if user else "", detail=detail)
