"""Every page of the sign-in, as one router.

Belongs here: which there are. Does not belong here: any page.
"""

from __future__ import annotations

from fastapi import APIRouter

from emma_platform.web.auth import (
    account_pages,
    audit_page,
    enrol_pages,
    link_pages,
    oidc,
    people_pages,
    second_factor_pages,
    sign_in_pages,
    token_pages,
)

router = APIRouter(include_in_schema=False)
for _part in (
    sign_in_pages, enrol_pages, oidc, link_pages, account_pages, second_factor_pages, token_pages, people_pages,
    audit_page,
):  # fmt: skip
    router.include_router(_part.router)
