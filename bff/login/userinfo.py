"""The userinfo endpoint, asked once at login and only for what the ID token does not say."""

import json
from collections.abc import Mapping

import structlog

from bff.login.provider import Provider, ProviderUnavailableError
from common.http import Json
from common.jwt import Claims

_LARGEST_BYTES = 16 * 1024
_ASKED_FOR = {"profile": "name", "email": "email"}

log = structlog.get_logger(__name__)


async def missing_claims(provider: Provider, claims: Claims, access_token: str) -> Mapping[str, Json]:
    """What userinfo adds; empty when nothing is missing or its answer cannot be used.

    A login does not fail for it: the ID token has already said who it is.
    """
    if not any(scope in provider.scopes and name not in claims for scope, name in _ASKED_FOR.items()):
        return {}
    try:
        answer = await provider.userinfo(access_token)
    except ProviderUnavailableError as error:
        log.warning("userinfo_not_used", cause=error.cause)
        return {}
    if answer is None:
        return {}
    # OIDC Core 5.3.2: without this, the answer for another user could be mixed into this login.
    if answer.get("sub") != claims["sub"]:
        log.warning("userinfo_not_used", cause="another_subject")
        return {}
    if len(json.dumps(answer)) > _LARGEST_BYTES:
        log.warning("userinfo_not_used", cause="too_large")
        return {}
    return answer
