"""The OpenAPI 3.1 document, made of the route table and the types of the answers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import hdrs, web

from apiserver.auth.access import Access
from common.problems import ProblemCode
from common.routing import Route

_CACHE = "public, max-age=300"
_USER_TOKEN = "userToken"  # noqa: S105 - the name of a security scheme
_SCHEMA_REFERENCE = "#/components/schemas/{name}"
_PROBLEM = {"$ref": "#/components/responses/Problem"}


class Problem(msgspec.Struct, frozen=True):
    """A refusal (RFC 9457). `code` is stable; `detail` is for people."""

    type: str
    title: str
    status: int
    detail: str
    code: ProblemCode
    request_id: str


@dataclass(frozen=True)
class OpenApi:
    document: bytes

    async def show(self, _request: web.Request) -> web.Response:
        return web.Response(
            body=self.document, content_type="application/json", headers={hdrs.CACHE_CONTROL: _CACHE}
        )


def openapi_document(routes: Iterable[Route[Access]]) -> dict[str, Any]:
    """The description of these routes."""
    routes = list(routes)
    answers = [route.answer for route in routes if route.answer is not None]
    references, schemas = msgspec.json.schema_components([Problem, *answers], ref_template=_SCHEMA_REFERENCE)
    schema_of = dict(zip(answers, references[1:], strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Doorward API", "version": "1", "license": {"name": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {"Problem": _problem_response(references[0])},
            "securitySchemes": {_USER_TOKEN: _user_token_scheme()},
        },
    }


def _operation(route: Route[Access], schema_of: dict[type, dict[str, Any]]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": route.summary}
    if route.answer is not None:
        success["content"] = {"application/json": {"schema": schema_of[route.answer]}}
    needs_user = route.access is Access.USER
    refusals = {"401": _PROBLEM, "503": _PROBLEM} if needs_user else {}
    return {
        "operationId": getattr(route.handler, "__name__", route.path),
        "summary": route.summary,
        "security": [{_USER_TOKEN: []}] if needs_user else [],
        "responses": {"200": success, **refusals, "default": _PROBLEM},
    }


def _problem_response(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": "A refusal with a stable code (RFC 9457).",
        "content": {"application/problem+json": {"schema": schema}},
    }


def _user_token_scheme() -> dict[str, Any]:
    return {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token of the OpenID provider, made for this API.",
    }
