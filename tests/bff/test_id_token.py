"""The ID token at the end of a login: whatever is wrong with it, nobody is signed in."""

import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from authlib.oidc.core.util import create_half_hash
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from bff.login.id_token import check_nonce, check_step_up, user_of, verify_id_token
from common.jwt import Claims, InvalidTokenError
from tests.bff.logins import Tokens, agent_with_tokens, counted
from tests.common.provider import Publisher, open_issuer, token_maker
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import ABSENT, FakeIssuer
from tests.fakes.tokens import SigningKey, compact

CLIENT_ID = "doorward"
NOW = datetime(2030, 1, 1, tzinfo=UTC)

RSA_KEY = rsa.generate_private_key(65537, 2048)
RSA_JWK = {**RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True), "kid": "rsa"}
ED_KEY = ed25519.Ed25519PrivateKey.generate()
ED_JWK = {**OKPAlgorithm.to_jwk(ED_KEY.public_key(), as_dict=True), "kid": "ed"}

Make = Callable[[FakeIssuer, str], str]


@pytest.fixture
async def tokens() -> AsyncIterator[Tokens]:
    async with agent_with_tokens() as made:
        made.agent.issuer.jwks_overrides = {"keys": [made.agent.issuer.key.as_jwk(), RSA_JWK]}
        yield made


def claiming(**claims: Any) -> Make:
    return lambda issuer, nonce: issuer.id_token(**{"nonce": nonce} | claims)


def heading(**headers: Any) -> Make:
    return lambda issuer, nonce: issuer.id_token(nonce=nonce, headers=headers)


def claims_of(issuer: FakeIssuer, nonce: str) -> dict[str, Any]:
    now, audience = issuer.now(), issuer.client_id
    return {
        "iss": issuer.url,
        "sub": "mallory",
        "aud": audience,
        "iat": now,
        "exp": now + 300,
        "nonce": nonce,
    }


def without_signature(issuer: FakeIssuer, nonce: str) -> str:
    return compact({"alg": "none", "typ": "JWT"}, claims_of(issuer, nonce), lambda _: b"")


def with_the_rsa_public_key_as_secret(issuer: FakeIssuer, nonce: str) -> str:
    pem = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "kid": "rsa", "typ": "JWT"}
    return compact(
        header, claims_of(issuer, nonce), lambda message: hmac.digest(pem, message, hashlib.sha256)
    )


def with_the_client_secret(issuer: FakeIssuer, nonce: str) -> str:
    secret = (issuer.client_secret or "").encode()
    return compact(
        {"alg": "HS256", "typ": "JWT"},
        claims_of(issuer, nonce),
        lambda message: hmac.digest(secret, message, hashlib.sha256),
    )


def bringing_its_own_key(issuer: FakeIssuer, nonce: str) -> str:
    thief = SigningKey("thief")
    return compact({"alg": "ES256", "jwk": thief.as_jwk()}, claims_of(issuer, nonce), thief.sign)


def of_another_key(issuer: FakeIssuer, nonce: str) -> str:
    thief = SigningKey(issuer.key.kid)
    return compact({"alg": "ES256", "kid": thief.kid}, claims_of(issuer, nonce), thief.sign)


REFUSED: dict[str, tuple[str, Make]] = {
    "nonce: of another login": ("nonce", claiming(nonce="of-another-login")),
    "nonce: missing": ("nonce", claiming(nonce=ABSENT)),
    "nonce: empty": ("nonce", claiming(nonce="")),
    "nonce: list with the right one": ("nonce", lambda issuer, nonce: issuer.id_token(nonce=[nonce])),
    "nonce: not ASCII": ("nonce", claiming(nonce="ü")),
    "nonce: half a surrogate pair": ("nonce", claiming(nonce="\ud800")),
    "aud: another client": ("audience", claiming(aud="another-client")),
    "aud: several others": ("audience", claiming(aud=["another-client", "a-third"])),
    "azp: missing for several audiences": ("azp", claiming(aud=[CLIENT_ID, "another-client"])),
    "azp: another client": ("azp", claiming(azp="another-client")),
    "azp: another of several": ("azp", claiming(aud=[CLIENT_ID, "another-client"], azp="another-client")),
    "azp: list": ("azp", claiming(azp=[CLIENT_ID])),
    "at_hash: wrong": ("at_hash", claiming(at_hash="AAAAAAAAAAAAAAAAAAAAAA")),
    "at_hash: empty": ("at_hash", claiming(at_hash="")),
    "at_hash: list": ("at_hash", claiming(at_hash=["x"])),
    "at_hash: not ASCII": ("at_hash", claiming(at_hash="ü")),
    "at_hash: half a surrogate pair": ("at_hash", claiming(at_hash="\ud800")),
    "at_hash: with unknown alg": (
        "algorithm",
        lambda issuer, nonce: issuer.id_token(nonce=nonce, at_hash="x", headers={"alg": "ES999"}),
    ),
    "iss: another": ("issuer", claiming(iss="https://evil.example")),
    "iss: ours as a part": (
        "issuer",
        lambda issuer, nonce: issuer.id_token(nonce=nonce, iss=f"{issuer.url}0"),
    ),
    "sub: missing": ("claims", lambda issuer, nonce: issuer.id_token(ABSENT, nonce=nonce)),
    "sub: empty": ("claims", lambda issuer, nonce: issuer.id_token("", nonce=nonce)),
    "iat: missing": ("claims", claiming(iat=ABSENT)),
    "iat: in the future": (
        "issued_in_the_future",
        lambda issuer, nonce: issuer.id_token(nonce=nonce, iat=issuer.now() + 120),
    ),
    "exp: long ago": ("expired", lambda issuer, nonce: issuer.id_token(nonce=nonce, exp=issuer.now() - 120)),
    "exp: 1e300": ("claims", claiming(exp=1e300)),
    "nbf: in the future": (
        "not_yet_valid",
        lambda issuer, nonce: issuer.id_token(nonce=nonce, nbf=issuer.now() + 120),
    ),
    "alg: none": ("algorithm", without_signature),
    "alg: HS256 with the RSA public key": ("algorithm", with_the_rsa_public_key_as_secret),
    "alg: HS256 with the client secret": ("algorithm", with_the_client_secret),
    "kid: unknown": ("unknown_key", heading(kid="nobody")),
    "header: its own key": ("header", bringing_its_own_key),
    "header: crit": ("malformed", heading(crit=["exp"])),
    "header: jku": ("header", heading(jku="https://evil.example/jwks")),
    "signature: of another key": ("signature", of_another_key),
    "typ: access token": ("type", heading(typ="at+jwt")),
    "typ: logout token": ("type", heading(typ="logout+jwt")),
    "form: opaque": ("malformed", lambda _issuer, _nonce: "opaque"),
    "form: larger than allowed": ("too_large", claiming(padding="x" * 8192)),
}


@pytest.mark.parametrize(("cause", "make"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_wrong_id_token_signs_nobody_in(tokens: Tokens, cause: str, make: Make) -> None:
    issuer = tokens.agent.issuer

    answer = await tokens.log_in(id_token=lambda nonce: make(issuer, nonce))

    assert (answer.status_code, answer.headers["Location"]) == (302, "/failed?error=login_failed")
    assert counted(tokens.agent, f"id_token_{cause}") == 1
    assert "doorward_session=" not in str(answer.headers)


@pytest.mark.parametrize("id_token", [None, "", 7, ["x"]])
async def test_without_an_id_token_nobody_is_signed_in(tokens: Tokens, id_token: Any) -> None:
    answer = await tokens.log_in(id_token=id_token)

    assert answer.headers["Location"] == "/failed?error=login_failed"
    assert counted(tokens.agent, "no_id_token") == 1


ACCEPTED: dict[str, Make] = {
    "as issued": claiming(),
    "one of several audiences, authorized for us": claiming(aud=[CLIENT_ID, "api"], azp=CLIENT_ID),
    "a list of one audience": claiming(aud=[CLIENT_ID]),
    "no at_hash": claiming(at_hash=ABSENT),
    "no type": heading(typ=ABSENT),
    "beyond 2038": claiming(exp=4_102_444_800),
}


@pytest.mark.parametrize("make", ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_a_right_id_token_signs_in(tokens: Tokens, make: Make) -> None:
    issuer = tokens.agent.issuer

    answer = await tokens.log_in(id_token=lambda nonce: make(issuer, nonce))

    assert answer.headers["Location"] == "/devices"


async def test_the_access_token_of_somebody_else_cannot_be_put_beside_it() -> None:
    async with agent_with_tokens() as tokens:
        issuer = tokens.agent.issuer
        own, foreign = issuer.access_token("alice"), issuer.access_token("mallory")
        at_hash = create_half_hash(own, "ES256").decode()

        right = await tokens.log_in(
            access_token=own, id_token=lambda nonce: issuer.id_token(nonce=nonce, at_hash=at_hash)
        )
        wrong = await tokens.log_in(
            access_token=foreign, id_token=lambda nonce: issuer.id_token(nonce=nonce, at_hash=at_hash)
        )

    assert right.headers["Location"] == "/devices"
    assert wrong.headers["Location"] == "/failed?error=login_failed"


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "EdDSA"])
async def test_the_hash_is_made_as_the_signature_says(algorithm: str) -> None:
    signers: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
        "RS256": ("rsa", lambda message: RSAAlgorithm(RSAAlgorithm.SHA256).sign(message, RSA_KEY)),
        "RS512": ("rsa", lambda message: RSAAlgorithm(RSAAlgorithm.SHA512).sign(message, RSA_KEY)),
        "EdDSA": ("ed", ED_KEY.sign),
    }
    kid, sign = signers[algorithm]
    clock, publisher = FakeClock(), Publisher()
    publisher.jwks = {"keys": [RSA_JWK, ED_JWK]}
    maker = token_maker(clock)
    at_hash = create_half_hash("access-1", algorithm).decode()
    token = compact({"alg": algorithm, "kid": kid}, {**claims_of(maker, "n"), "at_hash": at_hash}, sign)

    async with open_issuer(publisher, clock) as issuer:
        claims = await verify_id_token(token, issuer, CLIENT_ID, clock.now(), access_token="access-1")
        with pytest.raises(InvalidTokenError, match="at_hash"):
            await verify_id_token(token, issuer, CLIENT_ID, clock.now(), access_token="access-2")

    assert claims["sub"] == "mallory"


def claims(**values: Any) -> Claims:
    return cast("Claims", values)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param({"max_age_s": 60}, {"auth_time": NOW.timestamp() - 60}, id="signed in lately enough"),
        pytest.param({"max_age_s": 60}, {"auth_time": NOW.timestamp() - 90}, id="within the leeway"),
        pytest.param({"max_age_s": 0}, {"auth_time": NOW.timestamp()}, id="signed in just now"),
        pytest.param({"acr_values": "gold"}, {"acr": "gold"}, id="the class that was asked for"),
        pytest.param({"acr_values": "gold silver"}, {"acr": "silver"}, id="one of the classes"),
        pytest.param({}, {"auth_time": 0}, id="nothing asked"),
    ],
)
def test_a_step_up_that_was_done_is_accepted(asked: dict[str, Any], said: dict[str, Any]) -> None:
    check_step_up(claims(**said), NOW, **{"max_age_s": None, "acr_values": None} | asked)


@pytest.mark.parametrize(
    ("asked", "said", "cause"),
    [
        pytest.param({"max_age_s": 60}, {"auth_time": NOW.timestamp() - 91}, "auth_time", id="too long ago"),
        pytest.param({"max_age_s": 0}, {"auth_time": NOW.timestamp() - 31}, "auth_time", id="asked for now"),
        pytest.param({"max_age_s": 60}, {}, "claims", id="no time said"),
        pytest.param({"max_age_s": 60}, {"auth_time": "2030"}, "claims", id="time is a text"),
        pytest.param({"max_age_s": 60}, {"auth_time": 1e300}, "claims", id="time is of no calendar"),
        pytest.param({"max_age_s": 60}, {"auth_time": True}, "claims", id="time is a boolean"),
        pytest.param({"acr_values": "gold"}, {"acr": "silver"}, "acr", id="another class"),
        pytest.param({"acr_values": "gold"}, {"acr": "gol"}, "acr", id="a part of it"),
        pytest.param({"acr_values": "gold silver"}, {"acr": "gold silver"}, "acr", id="both at once"),
        pytest.param({"acr_values": "gold"}, {"acr": ["gold"]}, "acr", id="a list"),
        pytest.param({"acr_values": "gold"}, {}, "acr", id="no class said"),
    ],
)
def test_a_step_up_that_was_not_done_is_refused(
    asked: dict[str, Any], said: dict[str, Any], cause: str
) -> None:
    with pytest.raises(InvalidTokenError) as raised:
        check_step_up(claims(**said), NOW, **{"max_age_s": None, "acr_values": None} | asked)

    assert raised.value.cause == cause


@pytest.mark.parametrize(
    ("query", "said", "cause"),
    [
        ("max_age=60", {"auth_time": 1_000_000_000}, "auth_time"),
        ("max_age=60", {"auth_time": ABSENT}, "claims"),
        ("acr_values=gold", {"acr": "silver"}, "acr"),
        ("acr_values=gold", {}, "acr"),
    ],
)
async def test_a_browser_that_drops_the_step_up_on_the_way_does_not_get_in(
    tokens: Tokens, query: str, said: dict[str, Any], cause: str
) -> None:
    issuer = tokens.agent.issuer

    answer = await tokens.log_in(
        f"?failure=/failed&{query}", id_token=lambda nonce: issuer.id_token(nonce=nonce, **said)
    )

    assert answer.headers["Location"] == "/failed?error=login_failed"
    assert counted(tokens.agent, f"id_token_{cause}") == 1


def test_the_nonce_is_compared_as_a_whole() -> None:
    check_nonce(claims(nonce="n-1"), "n-1")
    for wrong in ("n-", "n-11", "N-1", None, 1):
        with pytest.raises(InvalidTokenError):
            check_nonce(claims(nonce=wrong), "n-1")


def test_claims_of_the_protocol_are_not_shown_to_the_user() -> None:
    protocol = dict.fromkeys(
        ("aud", "azp", "exp", "iat", "nbf", "jti", "nonce", "at_hash", "c_hash", "sid"), "x"
    )

    assert user_of({"sub": "alice", "roles": ["a"], **protocol}) == {"sub": "alice", "roles": ["a"]}
