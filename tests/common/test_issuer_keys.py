"""Which published keys are used: public ones, strong enough, for signatures, each for its own algorithm."""

from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from common.http import ExchangeError
from common.issuer import UnknownKeyError, parse_keys
from tests.common.provider import Publisher, open_issuer
from tests.fakes.clock import FakeClock
from tests.fakes.tokens import SigningKey

EC_KEY = SigningKey("ec")


def rsa_jwk(bits: int) -> dict[str, Any]:
    public_key = rsa.generate_private_key(65537, bits).public_key()
    return {**RSAAlgorithm.to_jwk(public_key, as_dict=True), "kid": "rsa"}


@pytest.fixture(scope="module")
def strong_rsa() -> Mapping[str, Any]:
    return rsa_jwk(2048)


def ids_of(*entries: Any) -> list[str | None]:
    return [key.key_id for key in parse_keys({"keys": [EC_KEY.as_jwk(), *entries]})][1:]


def test_a_key_for_encryption_is_left_out() -> None:
    assert ids_of({**SigningKey("enc").as_jwk(), "use": "enc"}) == []


def test_a_key_without_a_stated_use_is_taken() -> None:
    entry = SigningKey("any").as_jwk()
    del entry["use"]

    assert ids_of(entry) == ["any"]


def test_a_symmetric_key_is_left_out() -> None:
    assert ids_of({"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0", "kid": "shared"}) == []


@pytest.mark.parametrize(("bits", "ids"), [(1024, []), (2048, ["rsa"])])
def test_a_short_rsa_key_is_left_out(bits: int, ids: list[str]) -> None:
    assert ids_of(rsa_jwk(bits)) == ids


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(None, id="null"),
        pytest.param("key", id="text"),
        pytest.param([], id="list"),
        pytest.param({}, id="empty"),
        pytest.param({"kty": ["EC"]}, id="type is a list"),
        pytest.param({"kty": "RSA"}, id="no numbers"),
        pytest.param({"kty": "RSA", "alg": "none"}, id="algorithm none"),
        pytest.param({"kty": "RSA", "alg": []}, id="algorithm is a list"),
        pytest.param(
            {"kty": "RSA", "alg": "HS256", "n": "AQAB", "e": "AQAB"}, id="algorithm of another type"
        ),
        pytest.param({"kty": "RSA", "n": 5, "e": "AQAB"}, id="modulus is a number"),
        pytest.param({"kty": "RSA", "n": "", "e": ""}, id="empty numbers"),
        pytest.param({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, id="point not on the curve"),
        pytest.param({"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"}, id="unknown curve"),
        pytest.param({"kty": "OKP", "crv": "X25519", "x": "A" * 43}, id="key for agreement"),
    ],
)
def test_what_cannot_be_used_is_left_out_and_the_others_stay(entry: Any) -> None:
    assert ids_of(entry) == []


@pytest.mark.parametrize(
    ("document", "cause"),
    [
        pytest.param({}, "bad_jwks", id="no keys"),
        pytest.param({"keys": {}}, "bad_jwks", id="keys are an object"),
        pytest.param({"keys": None}, "bad_jwks", id="keys are null"),
        pytest.param({"keys": [EC_KEY.as_jwk()] * 101}, "bad_jwks", id="too many keys"),
        pytest.param({"keys": []}, "no_usable_keys", id="empty"),
        pytest.param({"keys": [{"kty": "oct", "k": "AAAA"}]}, "no_usable_keys", id="only a symmetric one"),
    ],
)
def test_a_set_without_usable_keys_is_a_failed_fetch(document: Any, cause: str) -> None:
    with pytest.raises(ExchangeError) as raised:
        parse_keys(document)

    assert raised.value.cause == cause


WORDS = st.sampled_from(["RSA", "EC", "OKP", "oct", "P-256", "Ed25519", "none", "HS256", "ES256", "AQAB"])
SCALARS = st.one_of(WORDS, st.none(), st.booleans(), st.integers(), st.text(max_size=8))
VALUES = st.one_of(SCALARS, st.lists(WORDS, max_size=2))
NAMES = st.sampled_from(["kty", "alg", "crv", "x", "y", "n", "e", "d", "k", "kid", "use", "key_ops"])


@settings(deadline=None)  # a machine that is busy makes no example wrong
@given(entry=st.dictionaries(NAMES, VALUES, max_size=8))
def test_no_entry_can_spoil_the_set(entry: dict[str, Any]) -> None:
    assert parse_keys({"keys": [entry, EC_KEY.as_jwk()]})[-1].key_id == "ec"


async def found(entries: list[Mapping[str, Any]], key_id: str | None, algorithm: str) -> bool:
    publisher = Publisher()
    publisher.jwks = {"keys": entries}
    async with open_issuer(publisher, FakeClock()) as issuer:
        try:
            await issuer.signing_key(key_id, algorithm)
        except UnknownKeyError:
            return False
    return True


ED25519 = {
    **OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key(), as_dict=True),
    "kid": "ed",
}
P384 = {
    **ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True),
    "kid": "p384",
}


@pytest.mark.parametrize(
    ("key_id", "algorithm", "expected"),
    [
        pytest.param("ec", "ES256", True, id="EC key, its algorithm"),
        pytest.param("ec", "ES384", False, id="EC key, algorithm of another curve"),
        pytest.param("ec", "RS256", False, id="EC key, RSA algorithm"),
        pytest.param("p384", "ES384", True, id="EC key that states no algorithm"),
        pytest.param("ed", "EdDSA", True, id="Edwards key"),
        pytest.param("ed", "ES256", False, id="Edwards key, EC algorithm"),
        pytest.param("rsa", "RS256", True, id="RSA key, PKCS 1"),
        pytest.param("rsa", "PS512", True, id="RSA key, PSS"),
        pytest.param("rsa", "ES256", False, id="RSA key, EC algorithm"),
        pytest.param("rsa", "HS256", False, id="RSA key as a shared secret"),
        pytest.param("ec", "HS256", False, id="EC key as a shared secret"),
        pytest.param("nobody", "ES256", False, id="unknown id"),
        pytest.param("", "ES256", False, id="empty id"),
        pytest.param(None, "ES256", True, id="no id, one fitting key"),
        pytest.param(None, "ES512", False, id="no id, no fitting key"),
    ],
)
async def test_a_key_is_found_by_id_for_its_own_algorithm(
    strong_rsa: Mapping[str, Any],
    key_id: str | None,
    algorithm: str,
    expected: bool,
) -> None:
    entries = [EC_KEY.as_jwk(), strong_rsa, ED25519, P384]

    assert await found(entries, key_id, algorithm) is expected


async def test_without_an_id_two_fitting_keys_are_no_choice() -> None:
    assert not await found([EC_KEY.as_jwk(), SigningKey("other").as_jwk()], None, "ES256")
