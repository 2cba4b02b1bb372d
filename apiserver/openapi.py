"""The OpenAPI 3.1 document, made of the route table and the types that read bodies and write answers."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import hdrs, web

from apiserver.auth.access import Access
from common.problems import ProblemCode
from common.routing import Route

_CACHE = "public, max-age=300"
_SCHEMA_REFERENCE = "#/components/schemas/{name}"
_PROBLEM = {"$ref": "#/components/responses/Problem"}
_PARAMETER = re.compile(r"\{(\w+)\}")
_USER, _DEVICE, _REGISTRATION = "userToken", "deviceToken", "registrationToken"
_SCHEMES = {
    Access.ANYONE: [],
    Access.USER: [_USER],
    Access.DEVICE: [_DEVICE],
    Access.REGISTERING: [_REGISTRATION, _USER],
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
class OpenApi:
    document: bytes

    async def show(self, _request: web.Request) -> web.Response:
        return web.Response(
            body=self.document, content_type="application/json", headers={hdrs.CACHE_CONTROL: _CACHE}
        )


def openapi_document(routes: Iterable[Route[Access]]) -> dict[str, Any]:
    """The description of these routes."""
    routes = list(routes)
    types = list(dict.fromkeys(type_ for route in routes for type_ in _types_of(route)))
    references, schemas = msgspec.json.schema_components([Problem, *types], ref_template=_SCHEMA_REFERENCE)
    schema_of = dict(zip(types, references[1:], strict=True))
    shown_paths = {route.path for route in routes if route.method == "GET"}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operation = _operation(route, schema_of, is_shown=route.path in shown_paths)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Doorward API", "version": "1", "license": {"name": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {"Problem": _problem_response(references[0])},
            "securitySchemes": _security_schemes(),
        },
    }


def _types_of(route: Route[Access]) -> list[type]:
    return [type_ for type_ in (route.answer, route.body) if type_ is not None]


def _operation(
    route: Route[Access], schema_of: dict[type, dict[str, Any]], *, is_shown: bool
) -> dict[str, Any]:
    """`is_shown`: what the path names can be read, and has an entity tag then."""
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "security": [{scheme: []} for scheme in _SCHEMES[route.access]],
    }
    headers = _header_parameters(route, is_shown=is_shown)
    if parameters := [*_path_parameters(route), *_query_parameters(route), *headers]:
        operation["parameters"] = parameters
    if route.body is not None:
        content = {"application/json": {"schema": schema_of[route.body]}}
        operation["requestBody"] = {"content": content, "required": True}
    operation["responses"] = _responses(route, schema_of)
    return operation


def _operation_id(route: Route[Access]) -> str:
    # Of the path, which is a promise, rather than of a function, which is not.
    words = re.findall(r"\w+", route.path.removeprefix("/api/v1/").replace("-", "_"))
    return "_".join([route.method.lower(), *words])


def _responses(route: Route[Access], schema_of: dict[type, dict[str, Any]]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": route.summary}
    if route.answer is not None:
        success["content"] = {route.media_type: {"schema": schema_of[route.answer]}}
    statuses = {str(route.status): success}
    if route.status == HTTPStatus.CREATED:
        statuses["200"] = {**success, "description": "What a former request made"}
    refusals = {"401": _PROBLEM, "503": _PROBLEM} if route.access is not Access.ANYONE else {}
    return {**statuses, **refusals, "default": _PROBLEM}


def _path_parameters(route: Route[Access]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(route.path)
    ]


def _query_parameters(route: Route[Access]) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    _, components = msgspec.json.schema_components([route.query], ref_template=_SCHEMA_REFERENCE)
    schema = components[route.query.__name__]
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", []),
            "schema": _inlined(described, components),
        }
        for name, described in schema["properties"].items()
    ]


def _inlined(schema: Any, components: dict[str, Any]) -> Any:  # noqa: ANN401 - it is JSON
    """The schema of a parameter, without references to what stands in the query's components alone."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _inlined(components[schema["$ref"].rsplit("/", 1)[1]], components)
        return {key: _inlined(value, components) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_inlined(part, components) for part in schema]
    return schema


def _header_parameters(route: Route[Access], *, is_shown: bool) -> list[dict[str, Any]]:
    if route.method == "PATCH" and is_shown:
        return [_header("If-Match", "The entity tag of what is changed: 412 when it is another by now.")]
    if route.method == "POST" and route.status == HTTPStatus.CREATED:
        return [_header("Idempotency-Key", "A repeat with the same key makes nothing new.")]
    return []


def _header(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string"},
    }


def _problem_response(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": "A refusal with a stable code (RFC 9457).",
        "content": {"application/problem+json": {"schema": schema}},
    }


def _security_schemes() -> dict[str, Any]:
    return {
        _USER: _bearer("An access token of the OpenID provider, made for this API.", "JWT"),
        _DEVICE: _bearer("A device token: dwd_...", "opaque"),
        _REGISTRATION: _bearer("A registration token: dwr_...", "opaque"),
    }


def _bearer(description: str, form: str) -> dict[str, Any]:
    return {"type": "http", "scheme": "bearer", "bearerFormat": form, "description": description}
