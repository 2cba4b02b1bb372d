"""How the agent proves to the provider which client it is: by a key of its own, or by a secret."""

import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from bff.login.client_auth import key_id
from bff.settings import PrivateKey, read_settings
from common.env import SettingsError
from common.randomness import SystemRandomness
from tests.bff.agent import Agent, run_agent
from tests.bff.logins import is_signed_in
from tests.fakes.client_assertions import ClientAssertions
from tests.fakes.issuer import FakeIssuer
from tests.fakes.tokens import b64url
from tests.fakes.waiting import until

MakeKey = Callable[[], PrivateKey]


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


KEYS: dict[str, tuple[MakeKey, str]] = {
    # RFC 7523 section 5: the one algorithm that every provider must know.
    "RSA": (rsa_key, "RS256"),
    "P-256": (lambda: ec.generate_private_key(ec.SECP256R1()), "ES256"),
    "P-384": (lambda: ec.generate_private_key(ec.SECP384R1()), "ES384"),
    "P-521": (lambda: ec.generate_private_key(ec.SECP521R1()), "ES512"),
    "Ed25519": (ed25519.Ed25519PrivateKey.generate, "EdDSA"),
}


def pem(key: PrivateKey, encryption: KeySerializationEncryption | None = None) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()).decode()


@asynccontextmanager
async def agent_with_key(make_key: MakeKey, algorithm: str) -> AsyncIterator[tuple[Agent, ClientAssertions]]:
    key = make_key()
    async with FakeIssuer.start(client_secret=None) as issuer:
        issuer.offers_par, issuer.introspection, issuer.opaque_access_tokens = True, {}, True
        issuer.assertions = ClientAssertions(key.public_key(), algorithm)
        settings = {"OIDC_CLIENT_AUTH": "private_key_jwt", "OIDC_CLIENT_KEY": pem(key)}
        async with run_agent(issuer, **settings) as agent:
            yield agent, issuer.assertions


@pytest.mark.parametrize(("make_key", "algorithm"), KEYS.values(), ids=KEYS.keys())
async def test_every_question_to_the_provider_is_proved_by_the_key(make_key: MakeKey, algorithm: str) -> None:
    async with agent_with_key(make_key, algorithm) as (agent, assertions):
        browser = await agent.signed_in()
        refreshed = await browser.call("POST", "/refresh")
        claims = await browser.call("GET", "/claims")
        await browser.call("POST", "/logout")
        await until(lambda: bool(agent.issuer.revoked))

        assert refreshed.status_code == 204
        assert claims.headers["X-Claims-Source"] == "introspection"
        # Pushed, redeemed, refreshed, introspected, revoked.
        assert (len(assertions.accepted), assertions.refused) == (5, [])
        assert all("client_secret" not in form for form in agent.issuer.token_requests)


async def test_an_assertion_is_short_lived_for_this_issuer_and_never_the_same() -> None:
    async with agent_with_key(*KEYS["P-256"]) as (agent, assertions):
        for _ in range(3):
            await agent.signed_in()

        assert len({claims["jti"] for claims in assertions.accepted}) == len(assertions.accepted) == 6
        for claims in assertions.accepted:
            assert set(claims) == {"iss", "sub", "aud", "iat", "exp", "jti"}
            assert claims["iss"] == claims["sub"] == "doorward"
            assert claims["aud"] == agent.issuer.url
            assert claims["exp"] - claims["iat"] == 60
            assert len(claims["jti"]) >= 16


async def test_another_key_is_not_believed() -> None:
    async with agent_with_key(*KEYS["P-256"]) as (agent, assertions):
        assertions.key = ec.generate_private_key(ec.SECP256R1()).public_key()

        answer = await (await agent.browser()).call("GET", "/login/start")

        assert answer.status_code == 503
        assert assertions.refused == ["InvalidSignatureError"]


@pytest.mark.parametrize("make_key", [make_key for make_key, _ in KEYS.values()], ids=KEYS.keys())
def test_the_name_of_a_key_can_be_worked_out_from_its_public_half(make_key: MakeKey) -> None:
    key = make_key()
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    assert key_id(key) == b64url(hashlib.sha256(public).digest())


# Secrets

ODD_SECRETS = ["a b+c%20d", "ä:ö/ü=?&#", '"\\;,<>', "~-._*"]


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("secret", ODD_SECRETS)
async def test_a_secret_may_hold_any_character(method: str, secret: str) -> None:
    async with (
        FakeIssuer.start(client_id="door:ward +%", client_secret=secret) as issuer,
        run_agent(issuer, OIDC_CLIENT_AUTH=method) as agent,
    ):
        assert await is_signed_in(await agent.signed_in())


# At the start

SETTINGS = {
    "PUBLIC_URL": "https://app.example.com",
    "OIDC_PROVIDER": "https://login.example.com",
    "OIDC_CLIENT_ID": "doorward",
    "BACKEND": "http://127.0.0.1:8082",
}


def faults_of(**settings: str) -> list[str]:
    try:
        read_settings({**SETTINGS, **settings}, SystemRandomness())
    except SettingsError as error:
        return error.faults
    return []


def with_key(text: str) -> dict[str, str]:
    return {"OIDC_CLIENT_AUTH": "private_key_jwt", "OIDC_CLIENT_KEY": text}


def public_pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def of_an_unknown_curve() -> str:
    """A P-256 key whose curve is called by the number of another one."""
    key = ec.generate_private_key(ec.SECP256R1())
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    changed = der.replace(bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d03017f"))
    body = base64.encodebytes(changed).decode()
    return f"-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----\n"


UNUSABLE: dict[str, Callable[[], str]] = {
    "no PEM": lambda: "a secret",
    "half a PEM": lambda: pem(rsa_key())[:200],
    "a public key": public_pem,
    "with a password": lambda: pem(rsa_key(), BestAvailableEncryption(b"password")),
    "line breaks written out": lambda: pem(rsa_key()).replace("\n", "\\n"),
    "RSA, too short": lambda: pem(rsa.generate_private_key(65537, 1024)),
    "a curve that JWTs do not know": lambda: pem(ec.generate_private_key(ec.SECP224R1())),
    "the curve of another world": lambda: pem(ec.generate_private_key(ec.SECP256K1())),
    "a curve that nobody knows": of_an_unknown_curve,
    "Ed448": lambda: (
        ed448.Ed448PrivateKey.generate()
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        .decode()
    ),
    "for key agreement": lambda: (
        x25519.X25519PrivateKey.generate()
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        .decode()
    ),
    "DSA": lambda: (
        dsa.generate_private_key(1024)
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        .decode()
    ),
    "not text": lambda: "\udcff",
}


@pytest.mark.parametrize("make_text", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_key_that_cannot_be_used_does_not_start(make_text: Callable[[], str]) -> None:
    text = make_text()

    faults = faults_of(**with_key(text))

    [fault] = faults
    assert fault.startswith(
        "OIDC_CLIENT_KEY must be a private key in PEM without a password: RSA of 2048 bits"
    )
    assert text not in fault


def test_the_key_is_missed_where_it_is_needed() -> None:
    assert faults_of(OIDC_CLIENT_AUTH="private_key_jwt") == [
        "OIDC_CLIENT_KEY is not set: OIDC_CLIENT_AUTH=private_key_jwt needs it."
    ]


@pytest.mark.parametrize(
    "settings",
    [{}, {"OIDC_CLIENT_AUTH": "none"}, {"OIDC_CLIENT_SECRET": "a secret"}],
    ids=["no method", "none", "a secret as well"],
)
def test_a_key_that_nobody_would_use_is_told(settings: dict[str, str]) -> None:
    """Left alone, the agent would go to the provider as a public client."""
    [fault] = faults_of(OIDC_CLIENT_KEY=pem(KEYS["P-256"][0]()), **settings)

    assert fault.startswith("OIDC_CLIENT_KEY is set")
    assert "OIDC_CLIENT_AUTH=private_key_jwt" in fault


@pytest.mark.parametrize("make_key", [make_key for make_key, _ in KEYS.values()], ids=KEYS.keys())
def test_a_key_may_come_from_a_file_in_either_spelling(tmp_path: Path, make_key: MakeKey) -> None:
    key = make_key()
    path = tmp_path / "key.pem"
    spellings = [PrivateFormat.PKCS8]
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        spellings.append(PrivateFormat.TraditionalOpenSSL)
    for spelling in spellings:
        path.write_bytes(key.private_bytes(Encoding.PEM, spelling, NoEncryption()))

        assert faults_of(OIDC_CLIENT_AUTH="private_key_jwt", OIDC_CLIENT_KEY_FILE=str(path)) == []


def test_the_key_is_not_shown() -> None:
    text = pem(KEYS["P-256"][0]())

    settings, secrets = read_settings({**SETTINGS, **with_key(text)}, SystemRandomness())

    shown = f"{settings!r} {secrets!r} {secrets}"
    assert not any(line in shown for line in text.splitlines()[1:-1])
