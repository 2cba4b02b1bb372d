"""What a provider says about itself is checked before anything is sent to where it points."""

from typing import Any

import pytest

from common.http import ExchangeError
from common.metadata import parse_metadata

ISSUER = "https://provider.example/realms/one"
REQUIRED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
OPTIONAL = (
    "userinfo_endpoint",
    "end_session_endpoint",
    "revocation_endpoint",
    "introspection_endpoint",
    "device_authorization_endpoint",
)


def document(**changes: Any) -> dict[str, Any]:
    endpoints = {name: f"{ISSUER}/{name}" for name in REQUIRED + OPTIONAL}
    usual = {"issuer": ISSUER, "authorization_response_iss_parameter_supported": True, **endpoints}
    return {name: value for name, value in (usual | changes).items() if value is not None}


def cause_of(**changes: Any) -> str:
    with pytest.raises(ExchangeError) as raised:
        parse_metadata(document(**changes), ISSUER)
    return raised.value.cause


def test_a_whole_document_is_typed() -> None:
    metadata = parse_metadata(document(), ISSUER)

    assert metadata.issuer == ISSUER
    assert metadata.sends_iss
    for name in REQUIRED + OPTIONAL:
        assert getattr(metadata, name) == f"{ISSUER}/{name}"


@pytest.mark.parametrize("name", OPTIONAL)
def test_what_a_provider_does_not_offer_is_none(name: str) -> None:
    assert getattr(parse_metadata(document(**{name: None}), ISSUER), name) is None


@pytest.mark.parametrize("name", REQUIRED)
def test_what_no_login_can_do_without_is_named(name: str) -> None:
    assert cause_of(**{name: None}) == f"no_{name}"


@pytest.mark.parametrize(
    "issuer",
    [
        pytest.param(None, id="missing"),
        pytest.param("https://evil.example", id="another"),
        pytest.param(f"{ISSUER}/", id="slash at the end"),
        pytest.param("https://provider.example", id="a part of ours"),
        pytest.param(f"{ISSUER}.evil.example", id="ours as a part"),
        pytest.param(ISSUER.upper(), id="capitals"),
        pytest.param([ISSUER], id="list"),
    ],
)
def test_a_document_of_another_issuer_is_refused(issuer: Any) -> None:
    assert cause_of(issuer=issuer) == "another_issuer"


@pytest.mark.parametrize("name", REQUIRED + OPTIONAL)
@pytest.mark.parametrize(
    "endpoint",
    [
        pytest.param("", id="empty"),
        pytest.param("/token", id="path"),
        pytest.param("javascript:alert(1)", id="script"),
        pytest.param("https://user:password@provider.example/", id="user"),
        pytest.param("https://provider.example/#x", id="fragment"),
        pytest.param("https://provider.example/?x=1#x", id="fragment behind a query"),
        pytest.param("https://provider.example/?x=1\r\nSet-Cookie: a=b", id="line break in the query"),
        pytest.param("https://provider.example/ x", id="blank"),
        pytest.param(["https://provider.example/"], id="list"),
        pytest.param(7, id="number"),
    ],
)
def test_an_endpoint_that_is_no_plain_address_is_refused(name: str, endpoint: Any) -> None:
    assert cause_of(**{name: endpoint}) == f"bad_{name}"


@pytest.mark.parametrize("name", REQUIRED + OPTIONAL)
def test_an_https_issuer_does_not_send_codes_and_tokens_over_plain_http(name: str) -> None:
    assert cause_of(**{name: "http://provider.example/"}) == f"insecure_{name}"


def test_a_plain_http_issuer_may_have_plain_http_endpoints() -> None:
    issuer = "http://127.0.0.1:9000"
    endpoints = {name: f"{issuer}/{name}" for name in REQUIRED + OPTIONAL}

    assert (
        parse_metadata({"issuer": issuer, **endpoints}, issuer).token_endpoint == f"{issuer}/token_endpoint"
    )


def test_an_endpoint_may_have_a_query() -> None:
    endpoint = "https://provider.example/authorize?p=policy"

    assert (
        parse_metadata(document(authorization_endpoint=endpoint), ISSUER).authorization_endpoint == endpoint
    )


@pytest.mark.parametrize("value", [None, False, "true", 1, "yes"])
def test_only_true_promises_the_issuer_parameter(value: Any) -> None:
    changed = document(authorization_response_iss_parameter_supported=value)

    assert not parse_metadata(changed, ISSUER).sends_iss
