"""The answers of each operation in the OpenAPI document: what it shows, every code that it refuses with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias

import msgspec

from apiserver.answers import Resource
from apiserver.auth.access import Access
from common.problems import PROBLEMS, ProblemCode
from common.routing import Route

_Json: TypeAlias = dict[str, Any]

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_UNAVAILABLE = (ProblemCode.STORE_UNAVAILABLE, ProblemCode.PROVIDER_UNAVAILABLE)
# What a credential is refused with, of whatever kind it is: an operation for users hears of devices too.
_OF_CREDENTIALS = (
    ProblemCode.MISSING_TOKEN,
    ProblemCode.INVALID_TOKEN,
    ProblemCode.SERVICE_TOKEN_REVOKED,
    ProblemCode.SERVICE_TOKEN_EXPIRED,
    ProblemCode.DEVICE_REVOKED,
    ProblemCode.DEVICE_EXPIRED,
    ProblemCode.DEVICE_SUSPENDED,
    ProblemCode.FORBIDDEN,
    *_UNAVAILABLE,
)
_OF_BODIES = (
    ProblemCode.BAD_REQUEST,
    ProblemCode.UNSUPPORTED_MEDIA_TYPE,
    ProblemCode.INVALID_BODY,
    ProblemCode.PRIVATE_KEY_SENT,
)
_OF_ANY_REQUEST = (
    ProblemCode.BAD_REQUEST,
    ProblemCode.REQUEST_TIMEOUT,
    ProblemCode.REQUEST_TOO_LARGE,
    ProblemCode.HEADERS_TOO_LARGE,
    ProblemCode.INTERNAL_ERROR,
)

HEADERS: _Json = {
    "RequestId": {
        "description": "What the server's log calls this request.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
    "EntityTag": {
        "description": "The version of what is shown, for If-Match.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
    },
    "RetryAfter": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "RateLimit": {
        "description": "What is left of each limit, and for how many seconds, where the limit is one of rate "
        "(draft-ietf-httpapi-ratelimit-headers).",
        "required": False,
        "schema": {"type": "string"},
    },
    "RateLimitPolicy": {
        "description": "The limits that were counted: requests, and seconds of a window.",
        "required": False,
        "schema": {"type": "string"},
    },
    "Challenge": {
        "description": "RFC 6750 section 3.",
        "required": True,
        "schema": {"type": "string", "pattern": "^Bearer"},
    },
}
_REQUEST_ID = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
_ETAG = {"ETag": {"$ref": "#/components/headers/EntityTag"}}
_RETRY_AFTER = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
_RATE_LIMIT = {
    "RateLimit": {"$ref": "#/components/headers/RateLimit"},
    "RateLimit-Policy": {"$ref": "#/components/headers/RateLimitPolicy"},
}
_HEADERS_OF = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": {"$ref": "#/components/headers/Challenge"}},
    HTTPStatus.TOO_MANY_REQUESTS: _RETRY_AFTER | _RATE_LIMIT,
    HTTPStatus.SERVICE_UNAVAILABLE: _RETRY_AFTER,
}


class Problem(msgspec.Struct, frozen=True):
    """A refusal (RFC 9457). `code` is stable; `detail` is for people."""

    type: str
    title: str
    status: int
    detail: str
    code: ProblemCode
    request_id: str


@dataclass(frozen=True)
class Answers:
    """`refusals` are those that `of` refers to: many operations share them."""

    schema_of: Mapping[type, _Json]
    refusals: dict[str, _Json] = field(default_factory=dict)

    def of(self, route: Route[Access], *, has_condition: bool) -> dict[str, _Json]:
        """By status. `has_condition`: the operation honours If-Match."""
        if route.is_oauth:
            return {**self._successes(route), **_oauth_refusals(route)}
        refused: dict[HTTPStatus, list[ProblemCode]] = {}
        for code in dict.fromkeys(_problems(route, has_condition=has_condition)):
            refused.setdefault(PROBLEMS[code][0], []).append(code)
        return {
            **self._successes(route),
            **{str(status.value): self._refusal(refused[status], status) for status in sorted(refused)},
            "default": self._refusal(_OF_ANY_REQUEST),
        }

    def _successes(self, route: Route[Access]) -> dict[str, _Json]:
        success: _Json = {"description": route.summary, "headers": _REQUEST_ID}
        if route.answer is not None:
            success["content"] = {route.media_type: {"schema": self.schema_of[route.answer]}}
            if issubclass(route.answer, Resource):
                success["headers"] = _REQUEST_ID | _ETAG
        if route.status != HTTPStatus.CREATED:
            return {str(route.status): success}
        return {"200": {**success, "description": "What a former request made"}, "201": success}

    def _refusal(self, codes: Sequence[ProblemCode], status: HTTPStatus | None = None) -> _Json:
        """A reference to the refusal with one of these codes, which is named by them."""
        name = ".".join(codes)
        told = {"properties": {"code": {"enum": list(codes)}}}
        self.refusals[name] = {
            "description": " ".join(f"{PROBLEMS[code][1]}: `{code.value}`." for code in codes),
            "headers": _REQUEST_ID | (_HEADERS_OF.get(status, {}) if status else {}),
            "content": {"application/problem+json": {"schema": {"allOf": [_PROBLEM, told]}}},
        }
        return {"$ref": f"#/components/responses/{name}"}


def _oauth_refusals(route: Route[Access]) -> dict[str, Any]:
    """RFC 6749 section 5.2: one form of answer, whatever the status."""
    statuses = [HTTPStatus.BAD_REQUEST, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE]
    if route.access is not Access.IN_BODY:
        statuses += [HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN]
    told = {str(status.value): _oauth_refusal(status) for status in sorted(statuses)}
    return {**told, "default": _oauth_refusal()}


def _oauth_refusal(status: HTTPStatus | None = None) -> _Json:
    return {
        "description": "A refusal, as OAuth words it: `error` is stable.",
        "headers": _REQUEST_ID | (_HEADERS_OF.get(status, {}) if status else {}),
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/OAuthErrorBody"}}},
    }


def _problems(route: Route[Access], *, has_condition: bool) -> Iterator[ProblemCode]:
    yield ProblemCode.TOO_MANY_REQUESTS
    if route.access is not Access.ANYONE:
        yield from _OF_CREDENTIALS
    if route.scope or route.service_scope:
        yield ProblemCode.INSUFFICIENT_SCOPE
    if route.query is not None:
        yield ProblemCode.BAD_REQUEST
    if "{" in route.path or _names_tenant(route):
        yield ProblemCode.NOT_FOUND
    if has_condition:
        yield ProblemCode.PRECONDITION_FAILED
    if route.body is not None:
        yield from _OF_BODIES
    if route.status == HTTPStatus.CREATED:
        yield ProblemCode.IDEMPOTENCY_KEY_REUSED
    yield from route.problems


def _names_tenant(route: Route[Access]) -> bool:
    """Whether a tenant that the caller is not in can be named, which is then not found."""
    said = [type_ for type_ in (route.query, route.body) if type_ is not None]
    return any(field.name == "tenant_id" for type_ in said for field in msgspec.structs.fields(type_))
