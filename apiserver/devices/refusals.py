"""Why a registration is refused, in the words of the caller."""

from aiohttp import hdrs

from apiserver.tokens.registration_token import TokenState
from common.problems import ProblemCode, ProblemError

_CHALLENGE: dict[str, str] = {hdrs.WWW_AUTHENTICATE: 'Bearer error="invalid_token"'}
_OF_TOKENS = {
    TokenState.NOT_YET_VALID: (
        ProblemCode.REGISTRATION_TOKEN_NOT_YET_VALID,
        "This registration token is not valid yet. Try again later.",
    ),
    TokenState.EXPIRED: (
        ProblemCode.REGISTRATION_TOKEN_EXPIRED,
        "This registration token has expired. Ask for a new one.",
    ),
    TokenState.USED_UP: (
        ProblemCode.REGISTRATION_TOKEN_USED_UP,
        "All uses of this registration token are spent. Ask for a new one.",
    ),
    TokenState.SUSPENDED: (
        ProblemCode.REGISTRATION_TOKEN_SUSPENDED,
        "This registration token is suspended. Ask an administrator of the tenant.",
    ),
    TokenState.REVOKED: (
        ProblemCode.REGISTRATION_TOKEN_REVOKED,
        "This registration token was revoked. Ask for a new one.",
    ),
}


def refusal_of_token(state: TokenState) -> ProblemError:
    """For every state but `active`."""
    code, detail = _OF_TOKENS[state]
    is_ended = state in {TokenState.EXPIRED, TokenState.REVOKED}
    return ProblemError(code, detail, headers=_CHALLENGE if is_ended else None)


def source_not_allowed() -> ProblemError:
    return ProblemError(
        ProblemCode.SOURCE_NOT_ALLOWED, "This registration token may not be used from this network."
    )


def name_not_allowed(pattern: str) -> ProblemError:
    return ProblemError(
        ProblemCode.NAME_NOT_ALLOWED, f"With this registration token the name has the form {pattern}."
    )


def name_taken() -> ProblemError:
    return ProblemError(ProblemCode.NAME_TAKEN, "A device of this tenant has this name. Take another one.")


def key_in_use() -> ProblemError:
    # One answer for a key of another tenant, another owner and another token: it gives nothing away.
    return ProblemError(
        ProblemCode.KEY_IN_USE, "This public key cannot be registered here. Make a new key pair."
    )


def no_address_left() -> ProblemError:
    return ProblemError(
        ProblemCode.NO_ADDRESS_LEFT, "The tenant's address pool is used up. Revoke devices that are gone."
    )


def too_fast(retry_after_s: int) -> ProblemError:
    return ProblemError(
        ProblemCode.TOO_MANY_REQUESTS,
        "This registration token is used too fast. Nothing was spent; try again later.",
        retry_after_s=retry_after_s,
    )


def device_was_revoked() -> ProblemError:
    return ProblemError(
        ProblemCode.DEVICE_REVOKED,
        "The device with this key was revoked. To come back it needs a new key.",
        headers=_CHALLENGE,
    )


def device_has_expired() -> ProblemError:
    return ProblemError(
        ProblemCode.DEVICE_EXPIRED,
        "The device has expired, and does not come back this way. Register a new one, with a new key.",
        headers=_CHALLENGE,
    )


def invalid_with_what_is_forced(detail: str) -> ProblemError:
    return ProblemError(ProblemCode.INVALID_BODY, f"With what the registration token forces: {detail}")


def suspended_by_administrator() -> ProblemError:
    return ProblemError(
        ProblemCode.FORBIDDEN, "An administrator suspended this device. Ask one of them to resume it."
    )
