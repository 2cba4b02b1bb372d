"""What a device may do with its token, how the token is rotated, and which texts are none."""

import zlib
from collections.abc import Callable

import pytest

from apiserver.base62 import base62
from tests.apiserver.machines import DEVICES, MY_DEVICE, Answer, Machine, Person, World, my_device

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROTATE = f"{MY_DEVICE}/rotate-token"


async def joined(person: Person, machine: Machine) -> tuple[str, str]:
    """The id of a new device, and its token."""
    answer = await person.register(machine)
    return str(answer.device()["id"]), machine.opened(answer)


async def test_a_device_is_told_of_itself_without_what_is_not_its_business(
    world: World, alice: Person
) -> None:
    device_id, device_token = await joined(alice, Machine())
    answer = await my_device(world, device_token)

    assert answer.body["id"] == device_id
    assert set(answer.body) == {
        "id", "tenant_id", "name", "state", "public_key", "ipv4", "ipv6", "taints", "labels", "registered_at",
    }  # fmt: skip


async def test_a_device_rotates_its_token(world: World, alice: Person) -> None:
    machine = Machine()
    device_id, old = await joined(alice, machine)
    await my_device(world, old)
    answer = await world.call("POST", ROTATE, old)
    new = machine.opened(answer)
    meanwhile = await my_device(world, old)
    await my_device(world, new)

    assert answer.body["id"] == device_id
    assert "device_token" not in answer.body
    assert meanwhile.status == 200
    assert (await my_device(world, old)).refusal == (401, "invalid_token")
    assert (await my_device(world, new)).status == 200


async def test_the_owner_rotates_a_devices_token(world: World, alice: Person) -> None:
    machine = Machine()
    device_id, old = await joined(alice, machine)
    await my_device(world, old)
    new = machine.opened(await alice.do("rotate-token", device_id))
    meanwhile = await my_device(world, old)
    await my_device(world, new)

    assert meanwhile.status == 200
    assert (await my_device(world, old)).refusal == (401, "invalid_token")


async def test_a_device_without_a_key_gets_its_new_token_in_clear(world: World, alice: Person) -> None:
    old = (await alice.register()).device()["device_token"]
    answer = await world.call("POST", ROTATE, old)
    await my_device(world, answer.body["device_token"])

    assert "sealed_device_token" not in answer.body
    assert (await my_device(world, old)).refusal == (401, "invalid_token")


async def test_a_rotation_that_is_never_used_ends_nothing(world: World, alice: Person) -> None:
    _, old = await joined(alice, Machine())
    for _ in range(20):
        await world.call("POST", ROTATE, old)

    assert (await my_device(world, old)).status == 200


async def test_a_device_leaves_for_ever(world: World, alice: Person) -> None:
    device_id, device_token = await joined(alice, Machine())
    answer = await world.call("DELETE", MY_DEVICE, device_token)
    device = await alice.device(device_id)

    assert answer.status == 204
    assert (device["state"], device["state_reason"]) == ("revoked", "left")
    assert (await my_device(world, device_token)).refusal == (401, "device_revoked")


async def test_a_pending_or_quarantined_device_sees_itself(world: World, alice: Person) -> None:
    token, newcomer = await alice.token(), Machine()
    await token.register(Machine(), fingerprint="0123456789")
    answer = await token.register(newcomer, fingerprint="0123456789")

    assert (await my_device(world, newcomer.opened(answer))).body["state"] == "quarantined"


# What a device and a registration token may not do


ELSEWHERE = [
    ("GET", DEVICES),
    ("GET", f"{DEVICES}/{{id}}"),
    ("PATCH", f"{DEVICES}/{{id}}"),
    *[
        ("POST", f"{DEVICES}/{{id}}/{deed}")
        for deed in ("approve", "suspend", "resume", "revoke", "take-over", "rotate-token")
    ],
    ("GET", "/api/v1/users/me"),
]


@pytest.mark.parametrize(("method", "path"), [*ELSEWHERE, ("POST", DEVICES)])
async def test_a_device_token_does_nothing_but_what_is_the_devices_own(
    world: World, alice: Person, method: str, path: str
) -> None:
    device_id, device_token = await joined(alice, Machine())
    before = await alice.device(device_id)
    answer = await world.call(
        method, path.format(id=device_id), device_token, json=None if method == "GET" else {"name": "web"}
    )

    assert answer.refusal == (403, "forbidden")
    assert await alice.device(device_id) == before


@pytest.mark.parametrize(
    ("method", "path"), [*ELSEWHERE, ("GET", MY_DEVICE), ("DELETE", MY_DEVICE), ("POST", ROTATE)]
)
async def test_a_registration_token_does_nothing_but_register(
    world: World, alice: Person, method: str, path: str
) -> None:
    token = await alice.token()
    device = (await token.register()).device()
    before = await alice.device(device["id"])
    answer = await world.call(
        method, path.format(id=device["id"]), token.made.secret, json=None if method == "GET" else {}
    )

    assert answer.refusal == (403, "forbidden")
    assert await alice.device(device["id"]) == before


@pytest.mark.parametrize(("method", "path"), [("GET", MY_DEVICE), ("DELETE", MY_DEVICE), ("POST", ROTATE)])
async def test_a_user_is_no_device(alice: Person, method: str, path: str) -> None:
    assert (await alice.call(method, path)).refusal == (403, "forbidden")


@pytest.mark.parametrize(
    ("method", "path"), [*ELSEWHERE, ("POST", DEVICES), ("GET", MY_DEVICE), ("POST", ROTATE)]
)
async def test_without_a_token_nothing_is_done(world: World, method: str, path: str) -> None:
    answer = await world.call(method, path.format(id="dev_0000000000000000000000"), None)

    assert answer.refusal == (401, "missing_token")


# Texts that are no secret of ours

BROKEN: dict[str, Callable[[str], str]] = {
    "prefix only": lambda secret: secret[:4],
    "junk before": lambda secret: "x" + secret,
    "junk behind": lambda secret: secret + "x",
    "one character short": lambda secret: secret[:-1],
    "one character swapped": lambda secret: secret[:40] + ("a" if secret[40] != "a" else "b") + secret[41:],
    "wrong checksum": lambda secret: secret[:-1] + ("a" if secret[-1] != "a" else "b"),
    "look-alike letters": lambda secret: secret[:10] + "-_" + secret[12:],
    "capitals": lambda secret: secret.upper(),
    "7 kilobytes": lambda secret: secret * 90,
    "the public id of it": lambda secret: secret[:26] + base62(0, 43) + secret[-6:],
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_a_broken_secret_is_refused_without_a_reason(
    world: World, alice: Person, broken: Callable[[str], str]
) -> None:
    _, device_token = await joined(alice, Machine())
    token = await alice.token()
    answers = [
        await my_device(world, broken(device_token)),
        await world.call("POST", DEVICES, broken(token.made.secret), json={"name": "web"}),
    ]

    assert {answer.refusal for answer in answers} == {(401, "invalid_token")}
    assert len({answer.body["detail"] for answer in answers}) == 1
    assert await token.uses() == 0


async def test_one_kind_of_secret_is_not_another(world: World, alice: Person) -> None:
    _, device_token = await joined(alice, Machine())
    token = await alice.token()

    as_registration = await world.call("POST", DEVICES, "dwr_" + device_token[4:], json={"name": "web"})
    as_device = await my_device(world, "dwd_" + token.made.secret[4:])
    assert {as_registration.refusal, as_device.refusal} == {(401, "invalid_token")}


@pytest.mark.parametrize("header", ["{}", "Basic {}", "Token {}", "Bearer  {}", "Bearer {} x", "bearer\t{}"])
async def test_a_header_of_another_form_is_refused(world: World, alice: Person, header: str) -> None:
    _, device_token = await joined(alice, Machine())
    answer = await world.server.public.get(MY_DEVICE, headers={"Authorization": header.format(device_token)})

    assert answer.status == 401


async def test_a_token_in_the_query_is_none(world: World, alice: Person) -> None:
    _, device_token = await joined(alice, Machine())
    answer = await world.server.public.get(MY_DEVICE, params={"access_token": device_token})

    assert answer.status == 401


async def test_two_headers_are_refused(world: World, alice: Person) -> None:
    _, device_token = await joined(alice, Machine())
    bearer = ("Authorization", f"Bearer {device_token}")
    answer = await world.server.public.get(MY_DEVICE, headers=[bearer, bearer])

    assert answer.status == 401


async def test_a_right_id_with_a_wrong_secret_says_nothing_of_the_device(world: World, alice: Person) -> None:
    """Whoever knows a public id, from an audit event say, learns nothing about its state."""
    device_id, device_token = await joined(alice, Machine())
    forged = forge(device_token)
    before = await my_device(world, forged)
    await alice.do("revoke", device_id)

    def without_request(answer: Answer) -> dict[str, object]:
        return {**answer.body, "request_id": None}

    assert before.refusal == (401, "invalid_token")
    assert without_request(await my_device(world, forged)) == without_request(before)


def forge(device_token: str) -> str:
    """Well formed, with another secret part."""
    checked = device_token[:26] + base62(7, 43)
    return checked + base62(zlib.crc32(checked.encode()), 6)
