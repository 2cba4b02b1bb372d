"""What is asked of the OpenID provider: device code, tokens, refresh, revocation. We are a public client."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, TypeVar

from cli.answers import DeviceCode, OAuthError, Provider, Tokens, decode
from cli.client import Answer, Client, origin_of
from cli.errors import CliError, UnreachableError

_DEVICE_CODE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_PASSING_REFUSALS: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})

T = TypeVar("T")


class OAuthRefusalError(CliError):
    """The provider said no, in the words of OAuth. `error` is its code: decisions are made by that alone."""

    def __init__(self, refusal: OAuthError) -> None:
        reason = refusal.error_description or refusal.error
        super().__init__(f"The provider refused: {reason}.", "Try again, or ask the operator of the server.")
        self.error = refusal.error


def ask_for_device_code(client: Client, provider: Provider) -> DeviceCode:
    """Starts a login (RFC 8628 section 3.1)."""
    if provider.device_authorization_endpoint is None:
        raise CliError(
            f"The provider {provider.issuer} offers no login for command lines (device flow).",
            "Ask the operator of the server.",
        )
    form = {
        "client_id": provider.client_id,
        "scope": " ".join(provider.scopes),
        **provider.audience_form(),
    }
    return _ask(client, provider.device_authorization_endpoint, form, DeviceCode)


def ask_for_tokens(client: Client, provider: Provider, device_code: str) -> Tokens:
    """One poll (RFC 8628 section 3.4); `OAuthRefusalError` tells what to do next."""
    return _ask_for_tokens(client, provider, {"grant_type": _DEVICE_CODE_GRANT, "device_code": device_code})


def refresh(client: Client, provider: Provider, refresh_token: str) -> Tokens:
    """Spends the refresh token (RFC 6749 section 6). The caller makes sure that it is spent once."""
    return _ask_for_tokens(client, provider, {"grant_type": "refresh_token", "refresh_token": refresh_token})


def revoke(client: Client, provider: Provider, refresh_token: str) -> None:
    """Tells the provider that the refresh token is not wanted any more (RFC 7009); raises `CliError`."""
    if provider.revocation_endpoint is None:
        raise CliError("The provider offers no revocation.")
    form = {
        "token": refresh_token,
        "token_type_hint": "refresh_token",
        "client_id": provider.client_id,
    }
    answer = client.post_form(provider.revocation_endpoint, form)
    if answer.status != HTTPStatus.OK:
        raise _failure(answer, provider.revocation_endpoint)


def _ask_for_tokens(client: Client, provider: Provider, grant: Mapping[str, str]) -> Tokens:
    form = {"client_id": provider.client_id, **grant, **provider.audience_form()}
    tokens = _ask(client, provider.token_endpoint, form, Tokens)
    if tokens.token_type.lower() != "bearer":
        raise CliError(
            "The provider sent a token that is not a bearer token.", "Ask the operator of the server."
        )
    return tokens


def _ask(client: Client, endpoint: str, form: Mapping[str, str], type_: type[T]) -> T:
    answer = client.post_form(endpoint, form)
    if answer.status != HTTPStatus.OK:
        raise _failure(answer, endpoint)
    decoded = decode(answer.body, type_)
    if decoded is None:
        raise CliError(f"The answer of the provider {origin_of(endpoint)} makes no sense.", "Try again.")
    return decoded


def _failure(answer: Answer, endpoint: str) -> CliError:
    # The OAuth error comes first: there are providers that send `slow_down` with 429.
    refusal = decode(answer.body, OAuthError) if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR else None
    if refusal is not None:
        return OAuthRefusalError(refusal)
    sentence = f"The provider {origin_of(endpoint)} cannot answer now (status {answer.status})."
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status in _PASSING_REFUSALS:
        return UnreachableError(sentence, "Try again later.")
    return CliError(
        f"The provider {origin_of(endpoint)} refused with status {answer.status}.",
        "Ask the operator of the server.",
    )
