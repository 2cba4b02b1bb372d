"""Whether what a login may do is enough for a route, and in which words it is refused."""

import pytest

from bff.proxy.policy import refusal_of
from bff.proxy.route_table import Policy
from bff.session.grants import Grants
from common.problems import ProblemCode


def policy(scopes: str = "", roles: str = "", acr: str = "") -> Policy:
    return Policy("required", frozenset(scopes.split()), frozenset(roles.split()), tuple(acr.split()))


def grants(scopes: str = "", roles: str = "", acr: str | None = None) -> Grants:
    return Grants(frozenset(scopes.split()), frozenset(roles.split()), acr)


ENOUGH = {
    "nothing is asked": (policy(), grants()),
    "all scopes": (policy(scopes="a b"), grants(scopes="a b c")),
    "one of the roles": (policy(roles="a b"), grants(roles="b c")),
    "one of the acr values": (policy(acr="gold silver"), grants(acr="silver")),
    "all of it": (policy("a", "b", "c"), grants("a", "b", "c")),
}


@pytest.mark.parametrize(("asked", "held"), ENOUGH.values(), ids=ENOUGH.keys())
def test_enough(asked: Policy, held: Grants) -> None:
    assert refusal_of(asked, held) is None


NOT_ENOUGH = {
    "one scope lacks": (policy(scopes="a b"), grants(scopes="a"), "insufficient_scope"),
    "a scope in other letters": (policy(scopes="a"), grants(scopes="A ab"), "insufficient_scope"),
    "a role is no scope": (policy(scopes="a"), grants(roles="a"), "insufficient_scope"),
    "no such role": (policy(roles="a b"), grants(roles="c", scopes="a"), "forbidden"),
    "another acr": (policy(acr="gold"), grants(acr="silver"), "step_up_required"),
    "no acr": (policy(acr="gold"), grants(), "step_up_required"),
    "a role lacks as well as acr": (policy(roles="a", acr="gold"), grants(), "forbidden"),
    "a scope lacks as well as acr": (policy(scopes="a", acr="gold"), grants(), "insufficient_scope"),
}


@pytest.mark.parametrize(("asked", "held", "code"), NOT_ENOUGH.values(), ids=NOT_ENOUGH.keys())
def test_not_enough(asked: Policy, held: Grants, code: str) -> None:
    refusal = refusal_of(asked, held)

    assert refusal is not None
    assert (refusal.code, refusal.problem().status) == (ProblemCode(code), 403)


def test_a_missing_scope_is_told_as_the_standard_says() -> None:
    refusal = refusal_of(policy(scopes="b a"), grants(scopes="a"))

    assert refusal is not None
    assert refusal.problem().headers == {"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="a b"'}


def test_which_role_it_takes_is_not_told() -> None:
    refusal = refusal_of(policy(roles="secret-role"), grants())

    assert refusal is not None
    assert "secret-role" not in refusal.detail
    assert refusal.problem().headers == {}


def test_a_weak_login_is_told_how_to_become_stronger() -> None:
    refusal = refusal_of(policy(acr="urn:x:gold silver&b"), grants(acr="bronze"))

    assert refusal is not None
    assert "/login/start?acr_values=urn%3Ax%3Agold%20silver%26b&redirect=" in refusal.detail
    assert refusal.problem().headers == {
        "WWW-Authenticate": (
            'Bearer error="insufficient_user_authentication", acr_values="urn:x:gold silver&b"'
        )
    }
