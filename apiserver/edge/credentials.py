"""The one credential of a request that a proxy asks about. Pure."""

from typing import Final

from aiohttp import hdrs
from multidict import CIMultiDictProxy

from apiserver.auth.authenticate import bearer_token
from apiserver.tokens.secret import SecretKind
from common.jwt import InvalidTokenError

_KEY_HEADERS: Final = {"X-Device-Key": SecretKind.DEVICE, "X-Provisioning-Key": SecretKind.REGISTRATION}


def presented_credential(headers: CIMultiDictProxy[str]) -> str | None:
    """The bearer token, or the secret of one of the headers for devices; None when there is nothing.

    Raises `InvalidTokenError` for more than one: we would judge one of them, the service behind the other.
    """
    found = [(kind, value) for name, kind in _KEY_HEADERS.items() for value in headers.getall(name, [])]
    if not found:
        return bearer_token(headers.getall(hdrs.AUTHORIZATION, []))
    if len(found) > 1 or hdrs.AUTHORIZATION in headers:
        raise InvalidTokenError("two_credentials")
    kind, value = found[0]
    if not value.startswith(kind.value):
        raise InvalidTokenError("kind_of_secret")
    return value
