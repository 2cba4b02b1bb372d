"""Which credentials make a caller, and how all others are refused: alike, and without a reason."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from multidict import CIMultiDict

from tests.apiserver.server import AUDIENCE, ME, ApiServer, api_server
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import ABSENT, FakeIssuer
from tests.fakes.tokens import SigningKey, b64url, compact

LEEWAY_S = 30

# No refusal leaves anything behind, so one server serves all of this file.
pytestmark = pytest.mark.asyncio(loop_scope="module")

MakeToken = Callable[[FakeIssuer], str]


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="issuer")
async def issuer_of_this_file() -> AsyncIterator[FakeIssuer]:
    async with FakeIssuer.start(audience=AUDIENCE, clock=FakeClock()) as issuer:
        yield issuer


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="server")
async def server_of_this_file(
    issuer: FakeIssuer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ApiServer]:
    database = tmp_path_factory.mktemp("authenticate") / "doorward.db"
    async with api_server(issuer, database, issuer.clock) as server:
        yield server


def header_of(issuer: FakeIssuer, **more: Any) -> Mapping[str, Any]:
    return {"alg": "ES256", "kid": issuer.key.kid, "typ": "at+jwt", **more}


def claims_of(issuer: FakeIssuer, **more: Any) -> Mapping[str, Any]:
    now = issuer.now()
    return {"iss": issuer.url, "sub": "alice", "aud": AUDIENCE, "iat": now, "exp": now + 60, **more}


def signed_with_the_public_key(issuer: FakeIssuer) -> str:
    pem = issuer.key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return compact(
        header_of(issuer, alg="HS256"),
        claims_of(issuer),
        lambda message: hmac.digest(pem, message, hashlib.sha256),
    )


def with_a_bit_flipped(issuer: FakeIssuer) -> str:
    signed, _, signature = issuer.access_token().rpartition(".")
    other = "A" if signature[0] != "A" else "B"
    return f"{signed}.{other}{signature[1:]}"


def with_other_claims(issuer: FakeIssuer) -> str:
    header, _, signature = issuer.access_token().split(".")
    claims = b64url(json.dumps(claims_of(issuer, sub="admin")).encode())
    return f"{header}.{claims}.{signature}"


def of_another_key(issuer: FakeIssuer) -> str:
    return compact(header_of(issuer), claims_of(issuer), SigningKey(issuer.key.kid).sign)


def of_a_size(issuer: FakeIssuer, size: int) -> str:
    token = issuer.access_token(padding="")
    return issuer.access_token(padding="x" * ((size - len(token)) * 3 // 4))


def nested(issuer: FakeIssuer) -> str:
    header = b64url(b"[" * 2000)
    return f"{header}.{b64url(b'{}')}.{b64url(b'signature')}"


def without_a_signature(issuer: FakeIssuer) -> str:
    return compact(header_of(issuer, alg="none"), claims_of(issuer), lambda _: b"")


def claiming(**claims: Any) -> MakeToken:
    return lambda issuer: issuer.access_token(**claims)


def heading(**headers: Any) -> MakeToken:
    return lambda issuer: issuer.access_token(headers=headers)


ODD_TIMES: dict[str, Any] = {
    "1e300": 1e300,
    "1 and 400 zeros": 10**400,
    "not a number": float("nan"),
    "infinite": float("inf"),
    "negative": -1,
    "zero": 0,
    "boolean": True,
    "null": None,
    "text": "4102444800",
    "list": [4_102_444_800],
    "object": {},
}

REFUSED_TOKENS: dict[str, MakeToken] = {
    "issuer: another": lambda issuer: issuer.access_token(iss="https://issuer.example"),
    "issuer: with a slash": lambda issuer: issuer.access_token(iss=f"{issuer.url}/"),
    "issuer: ours as a part": lambda issuer: issuer.access_token(iss=f"{issuer.url}.evil.example"),
    "issuer: list": lambda issuer: issuer.access_token(iss=[issuer.url]),
    "audience: another": claiming(aud="another-api"),
    "audience: ours as a part": claiming(aud=f"{AUDIENCE}-2"),
    "audience: others": claiming(aud=["another-api", "a-third"]),
    "audience: none": claiming(aud=[]),
    "audience: number": claiming(aud=1),
    **{f"{claim}: missing": claiming(**{claim: ABSENT}) for claim in ("iss", "aud", "exp", "iat")},
    "sub: missing": lambda issuer: issuer.access_token(ABSENT),
    "sub: null": lambda issuer: issuer.access_token(None),
    "sub: empty": lambda issuer: issuer.access_token(""),
    "sub: number": lambda issuer: issuer.access_token(7),
    "sub: too long": lambda issuer: issuer.access_token("x" * 256),
    "sub: NUL": lambda issuer: issuer.access_token("alice\0"),
    "sub: line break": lambda issuer: issuer.access_token("alice\nbob"),
    "exp: a moment ago": lambda issuer: issuer.access_token(exp=issuer.now() - LEEWAY_S),
    "nbf: in the future": lambda issuer: issuer.access_token(nbf=issuer.now() + LEEWAY_S + 1),
    "nbf: text": claiming(nbf="now"),
    "iat: in the future": lambda issuer: issuer.access_token(iat=issuer.now() + LEEWAY_S + 1),
    **{f"exp: {name}": claiming(exp=value) for name, value in ODD_TIMES.items()},
    "algorithm: none": lambda issuer: compact(
        header_of(issuer, alg="none"), claims_of(issuer), lambda _: b""
    ),
    "algorithm: HS256 with the public key": signed_with_the_public_key,
    "algorithm: of another key type": heading(alg="RS256"),
    "algorithm: of another curve": heading(alg="ES384"),
    "algorithm: unknown": heading(alg="ES999"),
    "algorithm: missing": heading(alg=ABSENT),
    "algorithm: list": heading(alg=["ES256"]),
    "kid: unknown": heading(kid="nobody"),
    "kid: number": heading(kid=1),
    **{f"header: {name}": heading(**{name: ["x"]}) for name in ("crit", "jwk", "jku", "x5u", "b64")},
    "type: logout token": heading(typ="logout+jwt"),
    "type: number": heading(typ=1),
    "type: ID token": lambda issuer: issuer.id_token(),
    "type: ID token for this audience": lambda issuer: issuer.id_token(aud=AUDIENCE, nonce="n"),
    "signature: one bit": with_a_bit_flipped,
    "signature: of other claims": with_other_claims,
    "signature: of another key": of_another_key,
    "signature: missing": lambda issuer: issuer.access_token().rpartition(".")[0] + ".",
    "form: two parts": lambda issuer: issuer.access_token().rpartition(".")[0],
    "form: four parts": lambda issuer: f"{issuer.access_token()}.AAAA",
    "form: five parts": lambda _: "a.b.c.d.e",
    "form: dots": lambda _: "..",
    "form: word": lambda _: "token",
    "form: claims are a list": lambda issuer: issuer.sign(header_of(issuer), ["alice"]),
    "form: claims are a text": lambda issuer: issuer.sign(header_of(issuer), "alice"),
    "form: no claims": lambda issuer: issuer.sign(header_of(issuer), {}),
    "form: deeply nested": nested,
    "form: not ASCII": lambda _: "tökén.ä.ö",
    "form: blank inside": lambda issuer: issuer.access_token().replace(".", " ", 1),
    "form: longer than allowed": lambda issuer: of_a_size(issuer, 8 * 1024 + 200),
}


@pytest.mark.parametrize("make_token", REFUSED_TOKENS.values(), ids=REFUSED_TOKENS.keys())
async def test_a_wrong_token_is_refused_without_a_reason(
    server: ApiServer, issuer: FakeIssuer, make_token: MakeToken
) -> None:
    token = make_token(issuer)

    answer = await server.get_me(token)

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content_type == "application/problem+json"
    assert await answer.json() == {
        "type": "urn:doorward:problem:invalid_token",
        "title": "The bearer token is not accepted",
        "status": 401,
        "detail": "The bearer token is not accepted. Get a new one and try again.",
        "code": "invalid_token",
        "request_id": answer.headers["X-Request-Id"],
    }


ACCEPTED_TOKENS: dict[str, MakeToken] = {
    "as issued": lambda issuer: issuer.access_token(),
    "one audience of several": claiming(aud=["another-api", AUDIENCE]),
    "expired within the leeway": lambda issuer: issuer.access_token(exp=issuer.now() - LEEWAY_S + 1),
    "issued by a clock that is fast": lambda issuer: issuer.access_token(iat=issuer.now() + LEEWAY_S),
    "valid beyond 2038": claiming(exp=4_102_444_800),
    "of a provider without a type of its own": heading(typ="JWT"),
    "without a type": heading(typ=ABSENT),
    "without a key id, of the only key": heading(kid=ABSENT),
    "nearly as long as allowed": lambda issuer: of_a_size(issuer, 8 * 1024 - 16),
}


@pytest.mark.parametrize("make_token", ACCEPTED_TOKENS.values(), ids=ACCEPTED_TOKENS.keys())
async def test_a_good_token_is_accepted(server: ApiServer, issuer: FakeIssuer, make_token: MakeToken) -> None:
    assert (await server.me(make_token(issuer)))["subject"] == "alice"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer\t{token}", "Bearer  {token}", "{token}",
     "Bearer {token} ,", "Bearer {token}, Bearer {token}", "DPoP {token}", "BearerX {token}"],
)  # fmt: skip
async def test_a_header_that_is_not_one_bearer_token_is_refused(
    server: ApiServer, issuer: FakeIssuer, header: str
) -> None:
    value = header.format(token=issuer.access_token())

    answer = await server.public.get(ME, headers={"Authorization": value})

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


async def test_two_authorization_headers_are_refused_even_when_both_are_good(
    server: ApiServer, issuer: FakeIssuer
) -> None:
    bearer = f"Bearer {issuer.access_token()}"
    headers = CIMultiDict([("Authorization", bearer), ("Authorization", bearer)])

    answer = await server.public.get(ME, headers=headers)

    assert answer.status == 401


async def test_the_name_of_the_scheme_may_be_written_in_any_case(
    server: ApiServer, issuer: FakeIssuer
) -> None:
    answer = await server.public.get(ME, headers={"Authorization": f"bEARER {issuer.access_token()}"})

    assert answer.status == 200


async def test_without_a_credential_the_challenge_names_no_error(server: ApiServer) -> None:
    answer = await server.public.get(ME)

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert (await answer.json())["code"] == "missing_token"


async def test_a_token_is_not_taken_from_anywhere_else(server: ApiServer, issuer: FakeIssuer) -> None:
    token = issuer.access_token()

    answer = await server.public.get(
        ME, params={"access_token": token}, headers={"Cookie": f"token={token}", "X-Authorization": token}
    )

    assert (await answer.json())["code"] == "missing_token"


async def test_the_log_tells_refusals_apart_and_holds_no_token(
    server: ApiServer, issuer: FakeIssuer, capsys: pytest.CaptureFixture[str]
) -> None:
    expired = issuer.access_token(exp=issuer.now() - 60)
    foreign = issuer.access_token(aud="another-api")

    await server.get_me(expired)
    await server.get_me(foreign)

    written = capsys.readouterr().out
    assert "expired" in written
    assert "audience" in written
    for token in (expired, foreign):
        assert not any(part in written for part in token.split("."))
