"""Refusals with a stable code (RFC 9457).

A handler or rule raises `ProblemError`; the middleware writes the body. What the caller reads (`detail`)
and what the log keeps (`cause`) are two fields: neither ever holds a secret. An error that is no
`ProblemError` becomes a 500 with the request id and nothing else.

`ProblemCode` is the closed list of all codes; docs/problems.md explains each to its reader.
"""

import json
import traceback
from collections.abc import Awaitable, Callable
from enum import StrEnum
from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from common.request_keys import REQUEST_ID

log = structlog.get_logger(__name__)


class ProblemCode(StrEnum):
    BAD_REQUEST = "bad_request"
    BAD_REDIRECT = "bad_redirect"
    NOT_SIGNED_IN = "not_signed_in"
    MISSING_TOKEN = "missing_token"  # noqa: S105 - the name of a code
    INVALID_TOKEN = "invalid_token"  # noqa: S105 - the name of a code
    FORBIDDEN = "forbidden"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    STEP_UP_REQUIRED = "step_up_required"
    CROSS_SITE_REQUEST = "cross_site_request"
    LOGIN_FAILED = "login_failed"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    REQUEST_TIMEOUT = "request_timeout"
    REQUEST_TOO_LARGE = "request_too_large"
    HEADERS_TOO_LARGE = "headers_too_large"
    REFRESH_NOT_POSSIBLE = "refresh_not_possible"
    TOO_MANY_REQUESTS = "too_many_requests"
    INVALID_BODY = "invalid_body"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    PRIVATE_KEY_SENT = "private_key_sent"
    PUBLIC_KEY_INVALID = "public_key_invalid"
    PRECONDITION_FAILED = "precondition_failed"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    SECRET_ALREADY_USED = "secret_already_used"  # noqa: S105 - the name of a code
    REGISTRATION_TOKEN_EXPIRED = "registration_token_expired"  # noqa: S105 - the name of a code
    REGISTRATION_TOKEN_USED_UP = "registration_token_used_up"  # noqa: S105 - the name of a code
    REGISTRATION_TOKEN_REVOKED = "registration_token_revoked"  # noqa: S105 - the name of a code
    REGISTRATION_TOKEN_SUSPENDED = "registration_token_suspended"  # noqa: S105 - the name of a code
    REGISTRATION_TOKEN_NOT_YET_VALID = "registration_token_not_yet_valid"  # noqa: S105 - the name of a code
    SERVICE_TOKEN_EXPIRED = "service_token_expired"  # noqa: S105 - the name of a code
    SERVICE_TOKEN_REVOKED = "service_token_revoked"  # noqa: S105 - the name of a code
    SOURCE_NOT_ALLOWED = "source_not_allowed"
    NAME_NOT_ALLOWED = "name_not_allowed"
    NAME_TAKEN = "name_taken"
    KEY_IN_USE = "key_in_use"
    NO_ADDRESS_LEFT = "no_address_left"
    DEVICE_SUSPENDED = "device_suspended"
    DEVICE_NOT_APPROVED = "device_not_approved"
    DEVICE_REVOKED = "device_revoked"
    DEVICE_EXPIRED = "device_expired"
    WRONG_STATE = "wrong_state"
    WOULD_WIDEN = "would_widen"
    LAST_OWNER = "last_owner"
    ALREADY_MEMBER = "already_member"
    TENANT_IN_USE = "tenant_in_use"
    INVITATION_NOT_USABLE = "invitation_not_usable"
    INTERNAL_ERROR = "internal_error"
    UPGRADE_NOT_SUPPORTED = "upgrade_not_supported"
    UPSTREAM_UNAVAILABLE = "upstream_unavailable"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    STORE_UNAVAILABLE = "store_unavailable"


PROBLEMS: dict[ProblemCode, tuple[HTTPStatus, str]] = {
    ProblemCode.BAD_REQUEST: (HTTPStatus.BAD_REQUEST, "The request cannot be understood"),
    ProblemCode.BAD_REDIRECT: (HTTPStatus.BAD_REQUEST, "The return address is not allowed"),
    ProblemCode.NOT_SIGNED_IN: (HTTPStatus.UNAUTHORIZED, "Nobody is signed in"),
    ProblemCode.MISSING_TOKEN: (HTTPStatus.UNAUTHORIZED, "A bearer token is required"),
    ProblemCode.INVALID_TOKEN: (HTTPStatus.UNAUTHORIZED, "The bearer token is not accepted"),
    ProblemCode.FORBIDDEN: (HTTPStatus.FORBIDDEN, "The caller may not do this"),
    ProblemCode.INSUFFICIENT_SCOPE: (HTTPStatus.FORBIDDEN, "The login lacks a scope"),
    ProblemCode.STEP_UP_REQUIRED: (HTTPStatus.FORBIDDEN, "A stronger login is required"),
    ProblemCode.CROSS_SITE_REQUEST: (HTTPStatus.FORBIDDEN, "The request came from another site"),
    ProblemCode.LOGIN_FAILED: (HTTPStatus.FORBIDDEN, "The login did not succeed"),
    ProblemCode.NOT_FOUND: (HTTPStatus.NOT_FOUND, "There is nothing at this address"),
    ProblemCode.METHOD_NOT_ALLOWED: (HTTPStatus.METHOD_NOT_ALLOWED, "The method is not allowed here"),
    ProblemCode.REQUEST_TOO_LARGE: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large"),
    ProblemCode.REQUEST_TIMEOUT: (HTTPStatus.REQUEST_TIMEOUT, "The request came too slowly"),
    ProblemCode.HEADERS_TOO_LARGE: (
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "The headers are too large",
    ),
    ProblemCode.REFRESH_NOT_POSSIBLE: (HTTPStatus.CONFLICT, "The access token cannot be refreshed"),
    ProblemCode.TOO_MANY_REQUESTS: (HTTPStatus.TOO_MANY_REQUESTS, "There are too many requests at once"),
    ProblemCode.INVALID_BODY: (HTTPStatus.UNPROCESSABLE_ENTITY, "The request's body is not what is expected"),
    ProblemCode.UNSUPPORTED_MEDIA_TYPE: (
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The request's body is of another type",
    ),
    ProblemCode.PRIVATE_KEY_SENT: (HTTPStatus.UNPROCESSABLE_ENTITY, "A private key was sent"),
    ProblemCode.PUBLIC_KEY_INVALID: (HTTPStatus.UNPROCESSABLE_ENTITY, "The public key cannot be used"),
    ProblemCode.PRECONDITION_FAILED: (HTTPStatus.PRECONDITION_FAILED, "It was changed meanwhile"),
    ProblemCode.IDEMPOTENCY_KEY_REUSED: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "The Idempotency-Key belongs to another request",
    ),
    ProblemCode.SECRET_ALREADY_USED: (HTTPStatus.CONFLICT, "The secret of that request is in use"),
    ProblemCode.REGISTRATION_TOKEN_EXPIRED: (HTTPStatus.UNAUTHORIZED, "The registration token has expired"),
    ProblemCode.REGISTRATION_TOKEN_USED_UP: (HTTPStatus.FORBIDDEN, "The registration token is used up"),
    ProblemCode.REGISTRATION_TOKEN_REVOKED: (HTTPStatus.UNAUTHORIZED, "The registration token was revoked"),
    ProblemCode.REGISTRATION_TOKEN_SUSPENDED: (HTTPStatus.FORBIDDEN, "The registration token is suspended"),
    ProblemCode.REGISTRATION_TOKEN_NOT_YET_VALID: (
        HTTPStatus.FORBIDDEN,
        "The registration token is not valid yet",
    ),
    ProblemCode.SERVICE_TOKEN_EXPIRED: (HTTPStatus.UNAUTHORIZED, "The service token has expired"),
    ProblemCode.SERVICE_TOKEN_REVOKED: (HTTPStatus.UNAUTHORIZED, "The service token was revoked"),
    ProblemCode.SOURCE_NOT_ALLOWED: (HTTPStatus.FORBIDDEN, "The registration token is not for this network"),
    ProblemCode.NAME_NOT_ALLOWED: (HTTPStatus.FORBIDDEN, "The registration token is not for this name"),
    ProblemCode.NAME_TAKEN: (HTTPStatus.CONFLICT, "The name is taken"),
    ProblemCode.KEY_IN_USE: (HTTPStatus.CONFLICT, "The public key is in use"),
    ProblemCode.NO_ADDRESS_LEFT: (HTTPStatus.CONFLICT, "The tenant's addresses are used up"),
    ProblemCode.DEVICE_SUSPENDED: (HTTPStatus.FORBIDDEN, "The device is suspended"),
    ProblemCode.DEVICE_NOT_APPROVED: (HTTPStatus.FORBIDDEN, "The device is not approved"),
    ProblemCode.DEVICE_REVOKED: (HTTPStatus.UNAUTHORIZED, "The device was revoked"),
    ProblemCode.DEVICE_EXPIRED: (HTTPStatus.UNAUTHORIZED, "The device has expired"),
    ProblemCode.WRONG_STATE: (HTTPStatus.CONFLICT, "Its state does not allow this"),
    ProblemCode.WOULD_WIDEN: (HTTPStatus.CONFLICT, "A registration token can only be narrowed"),
    ProblemCode.LAST_OWNER: (HTTPStatus.CONFLICT, "A tenant needs an owner"),
    ProblemCode.ALREADY_MEMBER: (HTTPStatus.CONFLICT, "The user is a member already"),
    ProblemCode.TENANT_IN_USE: (HTTPStatus.CONFLICT, "The tenant is in use"),
    ProblemCode.INVITATION_NOT_USABLE: (HTTPStatus.FORBIDDEN, "The invitation cannot be used"),
    ProblemCode.INTERNAL_ERROR: (HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side"),
    ProblemCode.UPGRADE_NOT_SUPPORTED: (HTTPStatus.NOT_IMPLEMENTED, "Protocol upgrades are not supported"),
    ProblemCode.UPSTREAM_UNAVAILABLE: (HTTPStatus.BAD_GATEWAY, "The service behind this door is away"),
    ProblemCode.UPSTREAM_TIMEOUT: (HTTPStatus.GATEWAY_TIMEOUT, "The service behind this door is too slow"),
    ProblemCode.PROVIDER_UNAVAILABLE: (HTTPStatus.SERVICE_UNAVAILABLE, "The login provider is away"),
    ProblemCode.STORE_UNAVAILABLE: (HTTPStatus.SERVICE_UNAVAILABLE, "The storage is away"),
}

_CODES_OF_AIOHTTP = {
    HTTPStatus.NOT_FOUND: ProblemCode.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: ProblemCode.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ProblemCode.REQUEST_TOO_LARGE,
    HTTPStatus.FORBIDDEN: ProblemCode.FORBIDDEN,
}
_FIRST_ERROR_STATUS = 400


class ProblemError(Exception):
    """A refusal. `detail` is a sentence for the caller, `cause` a word for the log."""

    def __init__(
        self,
        code: ProblemCode,
        detail: str,
        *,
        cause: str | None = None,
        retry_after_s: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(code.value)
        self.code = code
        self.detail = detail
        self.cause = cause
        self.headers = dict(headers or {})
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(retry_after_s)

    @property
    def status(self) -> HTTPStatus:
        return PROBLEMS[self.code][0]

    @property
    def title(self) -> str:
        return PROBLEMS[self.code][1]


Render = Callable[[web.Request, ProblemError], web.Response]


def problem_body(problem: ProblemError, request_id: str | None) -> bytes:
    """The RFC 9457 body; `code` and `request_id` are our extension members."""
    body = {
        "type": f"urn:doorward:problem:{problem.code.value}",
        "title": problem.title,
        "status": problem.status.value,
        "detail": problem.detail,
        "code": problem.code.value,
        "request_id": request_id,
    }
    return json.dumps(body).encode()


def problem_json(request: web.Request, problem: ProblemError) -> web.Response:
    return web.Response(
        body=problem_body(problem, request.get(REQUEST_ID)),
        status=problem.status,
        headers=problem.headers,
        content_type="application/problem+json",
    )


def problem_middleware(render: Render = problem_json) -> Middleware:
    """Turns every refusal and every unexpected error below it into an answer made by `render`."""

    @web.middleware
    async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await _with_problems(request, handler)
        except ProblemError as problem:
            log.info("refused", request_id=request.get(REQUEST_ID), code=problem.code, cause=problem.cause)
            return render(request, problem)

    return answer_problems


async def _with_problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except ProblemError:
        raise
    except web.HTTPException as error:
        if error.status < _FIRST_ERROR_STATUS:
            raise
        raise _from_aiohttp(error) from None
    except Exception as error:  # noqa: BLE001 - it is logged and answered
        # The border of all handlers. An error's text may quote what the client sent, so only its
        # type and the lines of code are kept.
        log.error(  # noqa: TRY400 - log.exception would write the text
            "unexpected_error",
            request_id=request.get(REQUEST_ID),
            error=type(error).__name__,
            frames=traceback.format_tb(error.__traceback__),
        )
        detail = "The error is in the log under this request id."
        raise ProblemError(ProblemCode.INTERNAL_ERROR, detail) from None


def _from_aiohttp(error: web.HTTPException) -> ProblemError:
    code = _CODES_OF_AIOHTTP.get(HTTPStatus(error.status), ProblemCode.BAD_REQUEST)
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
    return ProblemError(code, f"{PROBLEMS[code][1]}.", headers=headers)
