"""Holds every refusal that a test brings about against what the OpenAPI document tells of its operation."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from common.requests import route_pattern

_DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"


@contextmanager
def documented_refusals(app: web.Application) -> Iterator[None]:
    """Fails at its end when an operation was refused with a status and code that it is not said to have."""
    # The committed document: a test of its own holds that it is the served one.
    document = json.loads(_DOCUMENT.read_text())
    unknown: set[str] = set()

    async def look(request: web.Request, response: web.StreamResponse) -> None:
        if (fault := _fault(document, request, response)) is not None:
            unknown.add(fault)

    app.on_response_prepare.append(look)
    yield
    assert not unknown, f"openapi.json does not tell of {sorted(unknown)}"


def _fault(document: dict[str, Any], request: web.Request, response: web.StreamResponse) -> str | None:
    path = route_pattern(request)
    method = "GET" if request.method == "HEAD" else request.method
    told = document["paths"].get(path, {}).get(method.lower(), {}).get("responses")
    if told is None or response.content_type != "application/problem+json":
        return None
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    code = json.loads(response.body)["code"]
    allowed = _codes(document, told.get(str(response.status), told["default"]))
    return (
        None
        if code in allowed | _codes(document, told["default"])
        else f"{method} {path}: {response.status} {code}"
    )


def _codes(document: dict[str, Any], reference: dict[str, str]) -> set[str]:
    response = document["components"]["responses"][reference["$ref"].rsplit("/", 1)[1]]
    _, told = response["content"]["application/problem+json"]["schema"]["allOf"]
    return set(told["properties"]["code"]["enum"])
