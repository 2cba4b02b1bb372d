"""Roles: the contract's table, every cell."""

import pytest

from apiserver.auth.permissions import Deed, Reach, may, reach
from apiserver.tenants.tenants import Role

TABLE = """
see_devices                  own   own   all   all
register_devices             none  own   all   all
manage_devices               none  own   all   all
manage_registration_tokens   none  own   all   all
approve_devices              none  none  all   all
manage_members               none  none  all   all
manage_service_tokens        none  none  all   all
change_tenant                none  none  all   all
read_audit                   none  none  all   all
delete_tenant                none  none  none  all
hand_over_tenant             none  none  none  all
"""
CELLS = [
    (Role(role), Deed(line.split()[0]), Reach(cell))
    for line in TABLE.strip().splitlines()
    for role, cell in zip(("viewer", "member", "admin", "owner"), line.split()[1:], strict=True)
]


def test_the_table_has_every_role_and_deed() -> None:
    assert {(role, deed) for role, deed, _ in CELLS} == {(role, deed) for role in Role for deed in Deed}


@pytest.mark.parametrize(("role", "deed", "expected"), CELLS)
def test_a_role_reaches_as_far_as_the_table_says(role: Role, deed: Deed, expected: Reach) -> None:
    assert reach(role, deed) is expected


@pytest.mark.parametrize(("role", "deed", "found"), CELLS)
def test_all_is_anybodys_own_is_the_callers_none_is_nobodys(role: Role, deed: Deed, found: Reach) -> None:
    assert may(role, deed, is_own=True) is (found is not Reach.NONE)
    assert may(role, deed, is_own=False) is (found is Reach.ALL)


@pytest.mark.parametrize("deed", Deed)
def test_each_role_may_do_what_the_former_ones_may(deed: Deed) -> None:
    order = list(Reach)
    reaches = [order.index(reach(role, deed)) for role in Role]

    assert reaches == sorted(reaches)
