"""What a provider says about itself (OpenID Connect Discovery 1.0 section 3, RFC 8414), checked and typed."""

from collections.abc import Mapping
from dataclasses import dataclass

from common.env import is_plain_http_url
from common.http import ExchangeError, Json


@dataclass(frozen=True)
class ProviderMetadata:
    """The endpoints and abilities that we use. An endpoint is None where the provider has none."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    end_session_endpoint: str | None
    revocation_endpoint: str | None
    introspection_endpoint: str | None
    device_authorization_endpoint: str | None
    pushed_authorization_request_endpoint: str | None
    sends_iss: bool


def parse_metadata(document: Mapping[str, Json], issuer: str) -> ProviderMetadata:
    """Raises `ExchangeError` for a document of another issuer or with unusable endpoints."""
    # Exact, as OpenID Connect Discovery 4.3 says: a provider must not be able to speak for another one.
    if document.get("issuer") != issuer:
        raise ExchangeError("another_issuer")
    return ProviderMetadata(
        issuer=issuer,
        authorization_endpoint=_required(document, "authorization_endpoint", issuer),
        token_endpoint=_required(document, "token_endpoint", issuer),
        jwks_uri=_required(document, "jwks_uri", issuer),
        userinfo_endpoint=_endpoint(document, "userinfo_endpoint", issuer),
        end_session_endpoint=_endpoint(document, "end_session_endpoint", issuer),
        revocation_endpoint=_endpoint(document, "revocation_endpoint", issuer),
        introspection_endpoint=_endpoint(document, "introspection_endpoint", issuer),
        device_authorization_endpoint=_endpoint(document, "device_authorization_endpoint", issuer),
        pushed_authorization_request_endpoint=_endpoint(
            document, "pushed_authorization_request_endpoint", issuer
        ),
        sends_iss=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _required(document: Mapping[str, Json], name: str, issuer: str) -> str:
    url = _endpoint(document, name, issuer)
    if url is None:
        raise ExchangeError(f"no_{name}")
    return url


def _endpoint(document: Mapping[str, Json], name: str, issuer: str) -> str | None:
    url = document.get(name)
    if url is None:
        return None
    # It may have a query (RFC 6749 3.1), but no fragment, user or line break in it either.
    if not isinstance(url, str) or not is_plain_http_url(url.replace("?", "/", 1)):
        raise ExchangeError(f"bad_{name}")
    # An https issuer must not send codes and tokens over plain http.
    if issuer.startswith("https:") and not url.startswith("https:"):
        raise ExchangeError(f"insecure_{name}")
    return url
