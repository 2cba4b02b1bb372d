"""Somebody took a whole copy of the database, and all logs: there is no secret in them, nor half of one."""

import base64
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from apiserver.exchange.token import GRANT_TYPE
from apiserver.signing.ring import NO_KEYS, open_keys
from apiserver.signing.sealing import key_sealer
from apiserver.tokens.secret import SecretKind, mint
from common.randomness import SystemRandomness
from tests.apiserver.fleet import SERVER_KEY, Fleet, Person, Reply, running_fleet
from tests.e2e.secrets_seen import JWT
from tests.fakes.hpke_opener import open_base
from tests.fakes.postgres_servers import PostgresServer

FINGERPRINT = "machine-id:0123456789abcdef"
# A prefix and the public id: what names a secret's row, and is told in answers and audit events.
PUBLIC_LENGTH = 26


@dataclass
class Seen:
    """All secrets of a session, by what they are."""

    texts: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, text: str) -> str:
        self.texts[f"{kind} {len(self.texts)}"] = text
        return text

    def found_in(self, content: bytes) -> list[str]:
        """The kinds of those that stand there, whole or by half, as text, hexadecimal or base64."""
        return [
            f"{kind}: {form}"
            for kind, text in self.texts.items()
            for form, part in _forms(text)
            if part in content
        ]


def _forms(text: str) -> Iterator[tuple[str, bytes]]:
    secret = text[PUBLIC_LENGTH:] if text[:4] in {"dwr_", "dwd_", "dwi_", "dws_"} else text
    middle = len(secret) // 2
    for name, part in (("first half", secret[:middle]), ("second half", secret[middle:])):
        raw = part.encode()
        yield name, raw
        yield f"{name} in hexadecimal", raw.hex().encode()
        # Of base64 what does not depend on where in a longer text the part stands.
        yield f"{name} in base64", base64.b64encode(raw)[: len(raw) // 3 * 4]


def opened(reply: Reply, key: X25519PrivateKey) -> str:
    body = reply.body
    info = f"doorward/device-token/v1|{body['id']}|{body['device_token_id']}".encode()
    sealed = base64.urlsafe_b64decode(body["sealed_device_token"] + "==")
    return open_base(sealed, key.private_bytes_raw(), info).decode()


async def session_of_everything(fleet: Fleet) -> Seen:
    """Every secret that there is, made, used, rotated, refused, replaced and sent to the wrong place."""
    seen = Seen()
    alice, bob = await fleet.person(), await fleet.person()
    seen.add("JWT", alice.bearer())
    tokens = [seen.add("registration token", token) for token in await registration_tokens(alice)]
    await devices_without_keys(fleet, seen, alice, tokens[0])
    await devices_with_keys(fleet, seen, alice, tokens[0])
    await invitations(seen, alice, bob)
    await service_tokens(fleet, seen, alice)
    await exchanges(fleet, seen, alice, tokens[0])
    await mistakes(fleet, seen, tokens[1])
    return seen


async def registration_tokens(alice: Person) -> list[str]:
    """One in use, one revoked, both secrets of one that was rotated."""
    in_use, revoked, rotated = [await alice.token(max_uses=50) for _ in range(3)]
    await alice.done("POST", f"/registration-tokens/{revoked['id']}/revoke", json={"devices": "keep"})
    again = await alice.done("POST", f"/registration-tokens/{rotated['id']}/rotate")
    return [in_use["token"], revoked["token"], rotated["token"], again["token"]]


async def devices_without_keys(fleet: Fleet, seen: Seen, alice: Person, token: str) -> None:
    first = await fleet.call("POST", "/devices", token, json={"name": "clear"})
    seen.add("device token", first.body["device_token"])
    for _ in range(2):
        repeated = await fleet.call(
            "POST", "/devices", token, json={"name": "again"}, headers={"Idempotency-Key": "of-alice"}
        )
        seen.add("device token", repeated.body["device_token"])
    await fleet.call("GET", "/devices/me", first.body["device_token"])
    rotated = await fleet.call("POST", "/devices/me/rotate-token", first.body["device_token"])
    seen.add("device token", rotated.body["device_token"])
    by_owner = await alice.done("POST", f"/devices/{first.body['id']}/rotate-token")
    seen.add("device token", by_owner["device_token"])
    await fleet.call("GET", "/devices/me", by_owner["device_token"])
    await fleet.call("GET", "/devices/me", first.body["device_token"])
    as_user = await alice.done("POST", "/devices", json={"name": "of-user"})
    seen.add("device token", as_user["device_token"])
    await fleet.call("DELETE", "/devices/me", as_user["device_token"])


async def devices_with_keys(fleet: Fleet, seen: Seen, alice: Person, token: str) -> None:
    for name in ("sealed", "quarantined"):
        key = X25519PrivateKey.generate()
        seen.add("private key", base64.b64encode(key.private_bytes_raw()).decode())
        public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
        body = {"name": name, "public_key": public, "fingerprint": FINGERPRINT}
        for _ in range(2):
            reply = await fleet.call("POST", "/devices", token, json=body)
            device_token = seen.add("device token", opened(reply, key))
        await fleet.call("GET", "/devices/me", device_token)
        await alice.call("PATCH", f"/devices/{reply.body['id']}", json={"name": f"{name}-2"})


async def invitations(seen: Seen, alice: Person, bob: Person) -> None:
    shared = await alice.done("POST", "/tenants", json={"name": "Works", "kind": "private"})
    path = f"/tenants/{shared['id']}/invitations"
    for role in ("member", "viewer"):
        invitation = await alice.done("POST", path, json={"role": role})
        seen.add("invitation", invitation["token"])
    await bob.call("POST", "/invitations/accept", json={"token": invitation["token"]})
    await bob.call("POST", "/invitations/accept", json={"token": invitation["token"]})


async def service_tokens(fleet: Fleet, seen: Seen, alice: Person) -> None:
    """One that was replaced before its use, one in use, one revoked: each is presented."""
    body, key = {"label": "of-alice", "scopes": ["devices:read"]}, {"Idempotency-Key": "services"}
    made = [await alice.done("POST", "/service-tokens", json=body, headers=key) for _ in range(2)]
    made.append(await alice.done("POST", "/service-tokens", json=body))
    await alice.done("POST", f"/service-tokens/{made[-1]['id']}/revoke")
    for token in made:
        secret = seen.add("service token", token["token"])
        for path in ("/devices", "/users/me", f"/service-tokens/{secret}"):
            await fleet.call("GET", path, secret)


async def exchanges(fleet: Fleet, seen: Seen, alice: Person, token: str) -> None:
    """Each kind of secret for a JWT, which is used, asked about, and sent to the wrong place."""
    device = await fleet.call("POST", "/devices", token, json={"name": "exchanged"})
    scopes = {"label": "asks", "scopes": ["tokens:introspect"]}
    service = (await alice.done("POST", "/service-tokens", json=scopes))["token"]
    secrets = [
        token,
        seen.add("device token", device.body["device_token"]),
        seen.add("service token", service),
    ]
    form = {"grant_type": GRANT_TYPE, "subject_token_type": "urn:ietf:params:oauth:token-type:access_token"}
    for secret in secrets:
        jwt = (await fleet.call("POST", "/token", "", data={**form, "subject_token": secret})).body
        seen.add("JWT of ours", jwt["access_token"])
        for bearer in (jwt["access_token"], jwt["access_token"] + "x"):
            await fleet.call("GET", "/devices/me", bearer)
            await fleet.call("POST", "/introspect", service, data={"token": bearer})
            wrong = {**form, "subject_token": bearer, "audience": secret, "scope": secret}
            await fleet.call("POST", "/token", bearer, data=wrong)


async def signing_keys(fleet: Fleet) -> list[bytes]:
    """The private numbers of the keys that sign, by halves."""
    sealer = key_sealer([SERVER_KEY], SystemRandomness())
    rows = await fleet.storage.read(lambda view: view.signing_keys.all())
    found = open_keys(rows, sealer, NO_KEYS).pairs.values()
    numbers = [pair.private.private_numbers().private_value.to_bytes(32) for pair in found]
    assert numbers
    return [half for number in numbers for half in (number[:16], number[16:])]


async def mistakes(fleet: Fleet, seen: Seen, revoked: str) -> None:
    """Secrets where they do not belong: those are refused, and still are secrets."""
    private = seen.add("private key", base64.b64encode(os.urandom(32)).decode())
    wrong = seen.add("secret of nobody", mint(SecretKind.DEVICE, "0" * 22, SystemRandomness()).reveal())
    for body in (
        {"name": "web", "private_key": private},
        {"name": "web", "labels": {"private_key": private}},
        {"name": private},
        {"name": "web", "public_key": private + "="},
        {"name": "web", "fingerprint": f"{private} {private}"},
        {"name": "web", "tenant_id": revoked},
        {"name": "web", "labels": {"token": revoked + "\n"}},
        {"name": "web", revoked: revoked},
    ):
        await fleet.call("POST", "/devices", revoked, json=body)
        await fleet.call("POST", "/devices", wrong, json=body)
    for secret in (revoked, wrong, private):
        await fleet.call("GET", f"/devices/{secret}", revoked)
        await fleet.call("GET", "/devices", wrong, params={"name": secret, "cursor": secret, "x": secret})
        await fleet.call("GET", f"/{secret}", wrong, headers={"X-Request-Id": secret, "Cookie": secret})
        await fleet.call("POST", "/devices", secret, data=secret)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Fleet]:
    database: Path | str = tmp_path / "doorward.db"
    if request.param == "postgresql":
        database = request.getfixturevalue("postgres_url")
    async with running_fleet(database, tmp_path, 1, DEBUG="true") as fleet:
        yield fleet


def dump_of(fleet: Fleet, folder: Path, request: pytest.FixtureRequest) -> bytes:
    """All that is in the database, and all that its files hold."""
    address = fleet.servers[0].variables["DATABASE_URL"]
    if address.startswith("sqlite"):
        return b"".join(path.read_bytes() for path in sorted(folder.glob("doorward.db*")))
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = urlsplit(address).path.removeprefix("/")
    return server.client("pg_dump", "--inserts", "-d", name).encode()


async def test_no_secret_is_in_a_dump_or_in_a_log(
    fleet: Fleet, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    seen = await session_of_everything(fleet)
    log = fleet.servers[0].log_file.read_bytes()
    dump = dump_of(fleet, tmp_path, request)

    assert seen.found_in(dump) == []
    assert seen.found_in(log) == []
    assert JWT.search(log.decode()) is None
    for half in await signing_keys(fleet):
        assert half not in dump
        assert half.hex().encode() not in dump
    # There is something to look at: all that happened above left its trace.
    assert {kind.rpartition(" ")[0] for kind in seen.texts} == {
        "JWT", "JWT of ours", "registration token", "device token", "service token", "private key",
        "invitation", "secret of nobody",
    }  # fmt: skip
    told = (
        b"device.registered",
        b"service_token.revoked",
        b"quarantined-2",
        b"of-alice",
        b"left",
        b"private_key_sent",
        b"unknown_secret",
    )
    assert [word for word in told if word not in dump + log] == []


def test_a_secret_in_a_dump_would_be_found() -> None:
    seen = Seen()
    secret = seen.add("device token", "dwd_" + "x" * 22 + "abcdefghijkl" + "0123456789AB")

    assert seen.found_in(secret.encode())
    assert seen.found_in(b"...ABCDEFGHIJKLabcdefghijkl...")
    assert seen.found_in(b"0123456789AB".hex().encode())
    assert seen.found_in(base64.b64encode(b"abcdefghijkl")) != []
    assert seen.found_in(secret[:PUBLIC_LENGTH].encode()) == []
