"""Secrets as they should not be presented: damaged, in the wrong place, under the wrong name."""

import pytest

from apiserver.tokens.secret import SecretKind, mint
from common.randomness import SystemRandomness
from tests.apiserver.callers import Caller, holder
from tests.apiserver.server import ApiServer

DEVICES = "/api/v1/devices"
BODY = {"name": "web"}
INVALID = (401, "invalid_token")


@pytest.fixture
async def secret(alice: Caller) -> str:
    made = await alice.done("POST", "/registration-tokens", {"label": "lab"})
    return str(made["token"])


async def register(server: ApiServer, *lines: str, query: str = "") -> tuple[int, str]:
    headers = [("Authorization", line) for line in lines]
    answer = await server.public.post(f"{DEVICES}{query}", json=BODY, headers=headers)
    return answer.status, str((await answer.json()).get("code"))


def damaged(secret: str) -> dict[str, str]:
    other = "0" if secret[-1] != "0" else "1"
    return {
        "prefix only": "dwr_",
        "prefix and one": "dwr_1",
        "one short": secret[:-1],
        "one long": f"{secret}0",
        "wrong checksum": secret[:-1] + other,
        "wrong secret": secret[:40] + ("0" if secret[40] != "0" else "1") + secret[41:],
        "wrong public id": secret[:10] + ("0" if secret[10] != "0" else "1") + secret[11:],
        "lower case": secret.lower(),
        "upper prefix": f"DWR_{secret[4:]}",
        "look-alike": secret[:40] + "О" + secret[41:],  # noqa: RUF001 - a Cyrillic letter is the point
        "percent": secret[:40] + "%00" + secret[43:],
        "dots": "dwr_" + "." * 71,
        "another kind": f"dwd_{secret[4:]}",
        "unused kinds": f"dws_{secret[4:]}",
        "long": "dwr_" + "0" * 7000,
    }


async def test_a_damaged_secret_is_refused_without_a_reason(server: ApiServer, secret: str) -> None:
    replies = {name: await register(server, f"Bearer {wrong}") for name, wrong in damaged(secret).items()}

    assert {name: reply for name, reply in replies.items() if reply != INVALID} == {}
    assert (await register(server, f"Bearer {secret}"))[0] == 201


async def test_a_well_formed_secret_that_is_not_known_is_refused_like_a_damaged_one(
    server: ApiServer, secret: str
) -> None:
    """The right public id with another secret, and a public id that never was."""
    for public_id in (secret[4:26], "0" * 22):
        for kind in (SecretKind.REGISTRATION, SecretKind.DEVICE):
            forged = mint(kind, public_id, SystemRandomness()).reveal()

            assert await register(server, f"Bearer {forged}") == INVALID


async def test_another_way_to_write_the_header_is_refused(server: ApiServer, secret: str) -> None:
    ways = [
        "Basic {}",
        "Token {}",
        "{}",
        "Bearer",
        "Bearer  {}",
        "Bearer {} x",
        "Bearer x{}",
        "Bearer '{}'",
        "Bearer {},",
    ]

    replies = {way: await register(server, way.format(secret)) for way in ways}

    assert {way: reply for way, reply in replies.items() if reply != INVALID} == {}


async def test_two_authorization_headers_are_refused(server: ApiServer, secret: str) -> None:
    """A proxy in front may have judged the other one."""
    assert await register(server, f"Bearer {secret}", f"Bearer {secret}") == INVALID
    assert await register(server, f"Bearer {secret}", "Basic Og==") == INVALID


async def test_a_secret_in_the_query_is_no_credential_and_in_no_log(
    server: ApiServer, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("token", "access_token", "authorization", "registration_token"):
        assert await register(server, query=f"?{name}={secret}") == (401, "missing_token")

    assert secret not in capsys.readouterr().out


async def test_a_header_of_a_megabyte_is_refused(server: ApiServer) -> None:
    answer = await server.public.post(
        DEVICES, json=BODY, headers={"Authorization": "Bearer dwr_" + "0" * 2**20}
    )

    assert answer.status == 400


async def test_no_secret_is_logged(
    server: ApiServer, alice: Caller, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    device = await holder(server, secret).done("POST", "/devices", BODY)
    await holder(server, device["device_token"]).done("GET", "/devices/me")
    await register(server, f"Bearer {secret[:-1]}")
    await register(server, f"Basic {secret}")

    written = capsys.readouterr().out
    assert "registration_token" in written
    for told in (secret, device["device_token"]):
        assert told[26:69] not in written
