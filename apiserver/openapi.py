"""The OpenAPI 3.1 document, made of the route table and the types that read bodies and write answers."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
from aiohttp import hdrs, web

from apiserver.auth.access import Access
from apiserver.exchange.oauth import OAuthErrorBody
from apiserver.idempotency import KEY_FORM
from apiserver.openapi_answers import HEADERS, Answers, Problem
from common.routing import Route

_Json: TypeAlias = dict[str, Any]

_CACHE = "public, max-age=300"
_SCHEMA_REFERENCE = "#/components/schemas/{name}"
# As aiohttp reads it: a name, and the expression that its value matches.
_PARAMETER = re.compile(r"\{(\w+):((?:[^{}]|\{[^{}]*\})*)\}")
_USER, _DEVICE, _REGISTRATION = "userToken", "deviceToken", "registrationToken"
_SERVICE = "serviceToken"
_SCHEMES = {
    Access.ANYONE: [],
    Access.IN_BODY: [],
    Access.USER: [_USER],
    Access.MEMBER: [_USER, _SERVICE],
    Access.SERVICE: [_SERVICE],
    Access.DEVICE: [_DEVICE],
    Access.REGISTERING: [_REGISTRATION, _USER, _SERVICE],
}


@dataclass(frozen=True)
class OpenApi:
    document: bytes

    async def show(self, _request: web.Request) -> web.Response:
        return web.Response(
            body=self.document, content_type="application/json", headers={hdrs.CACHE_CONTROL: _CACHE}
        )


def openapi_document(routes: Iterable[Route[Access]]) -> _Json:
    """The description of these routes."""
    routes = list(routes)
    types = list(dict.fromkeys(type_ for route in routes for type_ in _types_of(route)))
    references, schemas = _schemas([Problem, OAuthErrorBody, *types])
    answers = Answers(dict(zip(types, references[2:], strict=True)))
    shown_paths = {route.path for route in routes if route.method == "GET"}
    paths: dict[str, _Json] = {}
    for route in routes:
        path = _PARAMETER.sub(r"{\1}", route.path)
        operation = _operation(route, path, answers, is_shown=route.path in shown_paths)
        paths.setdefault(path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Doorward API", "version": "1", "license": {"name": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": answers.refusals,
            "headers": HEADERS,
            "securitySchemes": _security_schemes(),
        },
    }


def _types_of(route: Route[Access]) -> list[type]:
    return [type_ for type_ in (route.answer, route.body) if type_ is not None]


def _schemas(types: list[type]) -> tuple[tuple[_Json, ...], dict[str, _Json]]:
    """A reference to each, and what the references lead to."""
    references, components = msgspec.json.schema_components(types, ref_template=_SCHEMA_REFERENCE)
    return references, _in_words_of_the_standard(components)


def _in_words_of_the_standard(schema: Any) -> Any:  # noqa: ANN401 - it is JSON
    r"""Patterns end with Python's \Z in the code: JSON Schema's $ means the same, and it has no \Z."""
    if isinstance(schema, dict):
        return {
            key: value.replace(r"\Z", "$") if key == "pattern" else _in_words_of_the_standard(value)
            for key, value in schema.items()
        }
    if isinstance(schema, list):
        return [_in_words_of_the_standard(part) for part in schema]
    return schema


def _operation(route: Route[Access], path: str, answers: Answers, *, is_shown: bool) -> _Json:
    """`is_shown`: what the path names can be read, and has an entity tag then."""
    operation: _Json = {
        "operationId": _operation_id(route.method, path),
        "summary": route.summary,
        "security": [{scheme: []} for scheme in _SCHEMES[route.access]],
    }
    has_condition = route.method == "PATCH" and is_shown
    headers = _header_parameters(route, has_condition=has_condition)
    if parameters := [*_path_parameters(route), *_query_parameters(route), *headers]:
        operation["parameters"] = parameters
    if route.body is not None:
        # Nothing at all is an empty object, which is enough where no field is required.
        is_required = any(field.required for field in msgspec.structs.fields(route.body))
        media_type = "application/x-www-form-urlencoded" if route.is_oauth else "application/json"
        content = {media_type: {"schema": answers.schema_of[route.body]}}
        operation["requestBody"] = {"content": content, "required": is_required}
    operation["responses"] = answers.of(route, has_condition=has_condition)
    return operation


def _operation_id(method: str, path: str) -> str:
    # Of the path, which is a promise, rather than of a function, which is not.
    words = re.findall(r"\w+", path.removeprefix("/api/v1/").replace("-", "_"))
    return "_".join([method.lower(), *words])


def _path_parameters(route: Route[Access]) -> list[_Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": f"^{expression}$"},
        }
        for name, expression in _PARAMETER.findall(route.path)
    ]


def _query_parameters(route: Route[Access]) -> list[_Json]:
    if route.query is None:
        return []
    _, components = _schemas([route.query])
    schema = components[route.query.__name__]
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", []),
            "schema": _of_text(_inlined(described, components)),
        }
        for name, described in schema["properties"].items()
    ]


def _inlined(schema: Any, components: _Json) -> Any:  # noqa: ANN401 - it is JSON
    """The schema of a parameter, without references to what stands in the query's components alone."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _inlined(components[schema["$ref"].rsplit("/", 1)[1]], components)
        return {key: _inlined(value, components) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_inlined(part, components) for part in schema]
    return schema


def _of_text(schema: _Json) -> _Json:
    """Without null: a parameter that is None in the code is one that stays away."""
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    return choices[0] if len(choices) == 1 else schema


def _header_parameters(route: Route[Access], *, has_condition: bool) -> list[_Json]:
    if has_condition:
        return [_header("If-Match", "The entity tag of what is changed: 412 when it is another by now.")]
    if route.method == "POST" and route.status == web.HTTPCreated.status_code:
        told = "A repeat with the same key makes nothing new."
        return [_header("Idempotency-Key", told, pattern=f"^{KEY_FORM}$")]
    return []


def _header(name: str, description: str, **keywords: str) -> _Json:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string", **keywords},
    }


def _security_schemes() -> _Json:
    return {
        _USER: _bearer("An access token of the OpenID provider, made for this API.", "JWT"),
        _DEVICE: _bearer("A device token: dwd_...", "opaque"),
        _REGISTRATION: _bearer("A registration token: dwr_...", "opaque"),
        _SERVICE: _bearer("A service token with the scope of the operation: dws_...", "opaque"),
    }


def _bearer(description: str, form: str) -> _Json:
    return {"type": "http", "scheme": "bearer", "bearerFormat": form, "description": description}
