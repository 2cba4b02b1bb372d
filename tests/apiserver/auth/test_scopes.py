"""Scopes: what a token may be used for, every combination."""

from itertools import chain, combinations

import pytest

from apiserver.auth.scopes import ALL_SCOPES, Scope, scopes_of_login

COMBINATIONS = list(chain.from_iterable(combinations(Scope, size) for size in range(len(Scope) + 1)))


def test_the_names_are_those_that_providers_are_told() -> None:
    assert {scope.value for scope in Scope} == {
        "devices:read",
        "devices:write",
        "tokens:read",
        "tokens:write",
        "tenants:admin",
        "audit:read",
        "tokens:introspect",
    }


@pytest.mark.parametrize("scopes", COMBINATIONS)
def test_a_login_may_be_used_for_what_it_names_of_ours(scopes: tuple[Scope, ...]) -> None:
    names = ["openid", "profile", *(scope.value for scope in scopes), "offline_access"]
    expected = frozenset(scopes) or ALL_SCOPES

    assert scopes_of_login(" ".join(names)) == expected
    assert scopes_of_login(names) == expected


@pytest.mark.parametrize(
    "claim",
    [None, "", " ", "openid", [], ["openid"], [7, None], "devices", "devices:readall", "DEVICES:READ"],
)
def test_a_login_that_names_none_of_ours_is_not_narrowed(claim: object) -> None:
    assert scopes_of_login(claim) == ALL_SCOPES


@pytest.mark.parametrize("claim", [7, True, 0, {}, {"devices:read": True}, 1.5])
def test_a_claim_that_is_not_understood_gives_nothing(claim: object) -> None:
    assert scopes_of_login(claim) == frozenset()


@pytest.mark.parametrize("scope", Scope)
def test_no_scope_implies_another(scope: Scope) -> None:
    assert scopes_of_login(scope.value) == {scope}
