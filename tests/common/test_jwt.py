"""JWTs of the provider: who made it, for whom, when, and of which type; refused by a word for each reason."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from common.issuer import Issuer, IssuerUnavailableError
from common.jwt import LEEWAY, InvalidTokenError, id_token_rules, verify, verify_access_token
from tests.common.provider import ISSUER, Publisher, open_issuer, token_maker
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import ABSENT, FakeIssuer
from tests.fakes.tokens import SigningKey, b64url, compact

AUDIENCE, CLIENT_ID = "doorward-api", "doorward"
LEEWAY_S = int(LEEWAY.total_seconds())

RSA_KEY = rsa.generate_private_key(65537, 2048)
RSA_JWK = {**RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True), "kid": "rsa"}

MakeToken = Callable[[FakeIssuer], str]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def maker(clock: FakeClock) -> FakeIssuer:
    return token_maker(clock)


@pytest.fixture
async def issuer(maker: FakeIssuer, clock: FakeClock) -> AsyncIterator[Issuer]:
    publisher = Publisher()
    publisher.jwks = {"keys": [maker.key.as_jwk(), RSA_JWK]}
    async with open_issuer(publisher, clock) as opened:
        yield opened


def claims_of(maker: FakeIssuer, **more: Any) -> dict[str, Any]:
    now = maker.now()
    return {"iss": ISSUER, "sub": "alice", "aud": AUDIENCE, "iat": now, "exp": now + 60, **more}


def header_of(maker: FakeIssuer, **more: Any) -> dict[str, Any]:
    return {"alg": "ES256", "kid": maker.key.kid, "typ": "at+jwt", **more}


def with_public_key_as_secret(maker: FakeIssuer, pem: bytes, kid: str) -> str:
    return compact(
        header_of(maker, alg="HS256", kid=kid),
        claims_of(maker),
        lambda message: hmac.digest(pem, message, hashlib.sha256),
    )


def pem_of_rsa_key() -> bytes:
    return RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def pem_of_ec_key(maker: FakeIssuer) -> bytes:
    return maker.key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def signed_with_rsa(maker: FakeIssuer, algorithm: str) -> str:
    algorithms = {"RS256": RSAAlgorithm(RSAAlgorithm.SHA256), "RS512": RSAAlgorithm(RSAAlgorithm.SHA512)}
    return compact(
        header_of(maker, alg=algorithm, kid="rsa"),
        claims_of(maker),
        lambda message: algorithms[algorithm].sign(message, RSA_KEY),
    )


def bringing_its_own_key(maker: FakeIssuer, **headers: Any) -> str:
    thief = SigningKey(maker.key.kid)
    return compact(header_of(maker, **headers, jwk=thief.as_jwk()), claims_of(maker), thief.sign)


def with_other_claims(maker: FakeIssuer) -> str:
    header, _, signature = maker.access_token().split(".")
    return f"{header}.{b64url(json.dumps(claims_of(maker, sub='admin')).encode())}.{signature}"


def claiming(**claims: Any) -> MakeToken:
    return lambda maker: maker.access_token(**claims)


def heading(**headers: Any) -> MakeToken:
    return lambda maker: maker.access_token(headers=headers)


REFUSED: dict[str, tuple[str, MakeToken]] = {
    "alg: none": (
        "algorithm",
        lambda maker: compact(header_of(maker, alg="none"), claims_of(maker), lambda _: b""),
    ),
    "alg: None in capitals": ("algorithm", heading(alg="NONE")),
    "alg: HS256 with the RSA public key": (
        "algorithm",
        lambda maker: with_public_key_as_secret(maker, pem_of_rsa_key(), "rsa"),
    ),
    "alg: HS256 with the EC public key": (
        "algorithm",
        lambda maker: with_public_key_as_secret(maker, pem_of_ec_key(maker), maker.key.kid),
    ),
    "alg: unknown": ("algorithm", heading(alg="ES999")),
    "alg: missing": ("algorithm", heading(alg=ABSENT)),
    "alg: list": ("algorithm", heading(alg=["ES256"])),
    "alg: another than the key's": ("unknown_key", heading(alg="RS256")),
    "alg: RSA key, another hash than was signed": (
        "signature",
        lambda maker: signed_with_rsa(maker, "RS256").replace(
            b64url(json.dumps(header_of(maker, alg="RS256", kid="rsa")).encode()),
            b64url(json.dumps(header_of(maker, alg="RS512", kid="rsa")).encode()),
        ),
    ),
    "kid: unknown": ("unknown_key", heading(kid="nobody")),
    "kid: missing, where there is a choice": ("unknown_key", heading(kid=ABSENT, alg="ES384")),
    "kid: number": ("malformed", heading(kid=7)),
    "header: crit": ("malformed", heading(crit=["exp"])),
    "header: crit that the library knows": ("header", heading(crit=["b64"], b64=True)),
    "header: jwk": ("header", bringing_its_own_key),
    "header: jku": ("header", heading(jku="https://evil.example/jwks")),
    "header: x5u": ("header", heading(x5u="https://evil.example/x5u")),
    "header: b64": ("header", heading(b64=True)),
    "typ: logout token": ("type", heading(typ="logout+jwt")),
    "typ: token exchange": ("type", heading(typ="secevent+jwt")),
    "typ: number": ("type", heading(typ=7)),
    "signature: of another key": (
        "signature",
        lambda maker: compact(header_of(maker), claims_of(maker), SigningKey("x").sign),
    ),
    "signature: of other claims": ("signature", with_other_claims),
    "signature: missing": ("signature", lambda maker: maker.access_token().rpartition(".")[0] + "."),
    "iss: another": ("issuer", claiming(iss="https://evil.example")),
    "iss: ours as a part": ("issuer", claiming(iss=f"{ISSUER}.evil.example")),
    "iss: a part of ours": ("issuer", claiming(iss="https://provider")),
    "iss: slash at the end": ("issuer", claiming(iss=f"{ISSUER}/")),
    "iss: list": ("issuer", claiming(iss=[ISSUER])),
    "iss: missing": ("claims", claiming(iss=ABSENT)),
    "aud: another": ("audience", claiming(aud="another-api")),
    "aud: ours as a part": ("audience", claiming(aud=f"{AUDIENCE}-2")),
    "aud: a part of ours": ("audience", claiming(aud="doorward")),
    "aud: several others": ("audience", claiming(aud=["a", "b"])),
    "aud: no one": ("claims", claiming(aud=[])),
    "aud: number": ("audience", claiming(aud=7)),
    "aud: missing": ("claims", claiming(aud=ABSENT)),
    "sub: missing": ("claims", claiming(sub=ABSENT)),
    "sub: empty": ("claims", claiming(sub="")),
    "sub: number": ("claims", claiming(sub=7)),
    "iat: missing": ("claims", claiming(iat=ABSENT)),
    "iat: in the future": (
        "issued_in_the_future",
        lambda maker: maker.access_token(iat=maker.now() + LEEWAY_S + 1),
    ),
    "nbf: in the future": ("not_yet_valid", lambda maker: maker.access_token(nbf=maker.now() + LEEWAY_S + 1)),
    "nbf: text": ("claims", claiming(nbf="soon")),
    "exp: missing": ("claims", claiming(exp=ABSENT)),
    "exp: past the leeway": ("expired", lambda maker: maker.access_token(exp=maker.now() - LEEWAY_S)),
    "exp: zero": ("expired", claiming(exp=0)),
    **{
        f"exp: {name}": ("claims", claiming(exp=value))
        for name, value in {
            "1e300": 1e300,
            "400 digits": 10**400,
            "infinite": float("inf"),
            "not a number": float("nan"),
            "negative": -1,
            "after the year 9999": 253_402_300_800,
            "text": "4102444800",
            "boolean": True,
            "null": None,
            "list": [4_102_444_800],
        }.items()
    },
    "kind: an ID token": ("type", lambda maker: maker.id_token(aud=AUDIENCE, nonce="n")),
    "kind: a logout token": ("type", lambda maker: maker.id_token(aud=AUDIENCE, events={"x": {}})),
    "kind: with at_hash": ("type", claiming(at_hash="x")),
    "form: empty": ("malformed", lambda _: ""),
    "form: word": ("malformed", lambda _: "opaque-token"),
    "form: two parts": ("malformed", lambda maker: maker.access_token().rpartition(".")[0]),
    "form: encrypted": ("malformed", lambda _: "a.b.c.d.e"),
    "form: not ASCII": ("malformed", lambda _: "tökén.ä.ö"),
    "form: claims are a list": ("claims", lambda maker: maker.sign(header_of(maker), ["alice"])),
    "form: header is a list": ("malformed", lambda maker: maker.sign([], claims_of(maker))),  # type: ignore[arg-type]
    "form: deeply nested header": ("malformed", lambda _: f"{b64url(b'[' * 4000)}.e30.x"),
    "form: larger than allowed": ("too_large", claiming(padding="x" * 8192)),
}


def nested_claims(maker: FakeIssuer) -> str:
    signed = f"{b64url(json.dumps(header_of(maker)).encode())}.{b64url(b'[' * 5000)}"
    return f"{signed}.{b64url(maker.key.sign(signed.encode()))}"


REFUSED["form: deeply nested claims"] = ("claims", nested_claims)


@pytest.mark.parametrize(("cause", "make"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_wrong_access_token_is_refused(
    issuer: Issuer, maker: FakeIssuer, clock: FakeClock, cause: str, make: MakeToken
) -> None:
    with pytest.raises(InvalidTokenError) as raised:
        await verify_access_token(make(maker), issuer, AUDIENCE, clock.now())

    assert raised.value.cause == cause


ACCEPTED: dict[str, MakeToken] = {
    "as issued": lambda maker: maker.access_token(),
    "type of any token": heading(typ="JWT"),
    "type in full": heading(typ="application/at+jwt"),
    "type in capitals": heading(typ="AT+JWT"),
    "no type": heading(typ=ABSENT),
    "no key id, where one key fits": heading(kid=ABSENT),
    "one audience of several": claiming(aud=["another", AUDIENCE]),
    "just expired": lambda maker: maker.access_token(exp=maker.now() - LEEWAY_S + 1),
    "of a clock that is ahead": lambda maker: maker.access_token(iat=maker.now() + LEEWAY_S),
    "valid from now on": lambda maker: maker.access_token(nbf=maker.now() + LEEWAY_S),
    "beyond 2038": claiming(exp=4_102_444_800),
    "expiry with a fraction": lambda maker: maker.access_token(exp=maker.now() + 0.5),
    "RS256": lambda maker: signed_with_rsa(maker, "RS256"),
    "RS512": lambda maker: signed_with_rsa(maker, "RS512"),
}


@pytest.mark.parametrize("make", ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_a_right_access_token_is_accepted(
    issuer: Issuer, maker: FakeIssuer, clock: FakeClock, make: MakeToken
) -> None:
    claims = await verify_access_token(make(maker), issuer, AUDIENCE, clock.now())

    assert claims["sub"] == "alice"


async def test_where_any_audience_will_do_one_must_still_be_there(
    issuer: Issuer, maker: FakeIssuer, clock: FakeClock
) -> None:
    claims = await verify_access_token(maker.access_token(aud="another"), issuer, None, clock.now())

    assert claims["aud"] == "another"
    with pytest.raises(InvalidTokenError):
        await verify_access_token(maker.access_token(aud=ABSENT), issuer, None, clock.now())


@pytest.mark.parametrize(
    ("cause", "make"),
    [
        pytest.param("type", lambda maker: maker.access_token(aud=CLIENT_ID), id="an access token for us"),
        pytest.param(
            "type", lambda maker: maker.id_token(headers={"typ": "logout+jwt"}), id="a logout token"
        ),
        pytest.param("audience", lambda maker: maker.id_token(aud="another-client"), id="of another client"),
        pytest.param(
            "audience", lambda maker: maker.id_token(aud=f"{CLIENT_ID}-2"), id="of a like-named one"
        ),
        pytest.param("claims", lambda maker: maker.id_token(sub=ABSENT), id="of nobody"),
        pytest.param("claims", lambda maker: maker.id_token(iat=ABSENT), id="of no time"),
        pytest.param("claims", lambda maker: maker.id_token(exp=1e300), id="for ever"),
        pytest.param(
            "issuer", lambda maker: maker.id_token(iss="https://evil.example"), id="of another issuer"
        ),
    ],
)
async def test_a_wrong_id_token_is_refused(
    issuer: Issuer, maker: FakeIssuer, clock: FakeClock, cause: str, make: MakeToken
) -> None:
    with pytest.raises(InvalidTokenError) as raised:
        await verify(make(maker), issuer, id_token_rules(CLIENT_ID), clock.now())

    assert raised.value.cause == cause


async def test_without_keys_a_token_is_neither_right_nor_wrong(maker: FakeIssuer, clock: FakeClock) -> None:
    publisher = Publisher()
    publisher.status = 503
    async with open_issuer(publisher, clock) as issuer:
        with pytest.raises(IssuerUnavailableError):
            await verify_access_token(maker.access_token(), issuer, AUDIENCE, clock.now())


async def test_a_token_that_cannot_be_right_is_refused_without_asking_the_provider(
    maker: FakeIssuer, clock: FakeClock
) -> None:
    publisher = Publisher()
    async with open_issuer(publisher, clock) as issuer:
        for token in ("junk", maker.access_token(headers={"alg": "HS256"}), maker.access_token(x="y" * 9000)):
            with pytest.raises(InvalidTokenError):
                await verify_access_token(token, issuer, AUDIENCE, clock.now())

    assert publisher.asked == []
