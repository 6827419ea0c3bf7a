"""Roles, permissions and scopes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from emma_platform.model.access import EVERY_STORE, Permission, Role, StoreScope

STORES = st.frozensets(st.sampled_from(["S1", "S2", "S3", "S4"]))


@given(seen=STORES, asked=st.none() | STORES)
def test_narrowing_never_shows_more_than_may_be_seen(seen: frozenset[str], asked: frozenset[str] | None) -> None:
    found = StoreScope(seen).narrow(asked)
    assert found is not None
    assert found == (seen if asked is None else seen & asked)
    assert EVERY_STORE.narrow(asked) == asked


def test_a_scope_allows_its_stores_alone() -> None:
    assert StoreScope.of("S1").allows("S1")
    assert not StoreScope.of("S1").allows("S2")
    assert not StoreScope.of().allows("S1")
    assert EVERY_STORE.whole
    assert EVERY_STORE.allows("any")


def test_only_owners_administer_and_only_engineers_operate() -> None:
    assert {role for role in Role if Permission.ADMINISTER in role.permissions} == {Role.OWNER}
    assert {role for role in Role if Permission.OPERATE in role.permissions} == {Role.ENGINEER}
    assert Permission.QUERY not in Role.MANAGER.permissions
    assert all(Permission.READ in role.permissions for role in Role)
