"""The headers that forward-auth answers."""

from urllib.parse import unquote

import pytest

from common.identity import IDENTITY_HEADERS, NOBODY, Identity, identity_headers


def test_every_header_stands_there_when_nothing_is_known() -> None:
    assert identity_headers(NOBODY) == dict.fromkeys(IDENTITY_HEADERS, "")


def test_each_fact_has_its_header() -> None:
    identity = Identity("device", "usr_1", "device:dev_1", "ten_1", ("a", "b"), ("s:1",), ("r",))

    assert identity_headers(identity, "Bearer x") == {
        "Authorization": "Bearer x",
        "X-User": "usr_1",
        "X-Auth-Kind": "device",
        "X-Auth-Subject": "device:dev_1",
        "X-Auth-Tenant": "ten_1",
        "X-Auth-Taints": "a,b",
        "X-Auth-Scopes": "s:1",
        "X-Auth-Roles": "r",
    }


@pytest.mark.parametrize(
    "user",
    ["Zoë", "alice ", "a\r\nX-Auth-Roles: admin", "100%", "\x00\x1b[31m", "a\x7f", "‮"],  # noqa: PLE2502 - as sent
)
def test_a_value_is_printable_and_can_be_undone(user: str) -> None:
    value = identity_headers(Identity(user=user))["X-User"]

    assert value.isascii()
    assert value.isprintable()
    assert unquote(value) == user


def test_an_item_of_a_list_cannot_become_two() -> None:
    headers = identity_headers(Identity(roles=("guest,admin",)))

    assert headers["X-Auth-Roles"] == "guest%2Cadmin"
