"""The OpenAPI document: served, committed, complete."""

from typing import Any

import pytest

from tests.apiserver.server import ApiServer
from tests.apiserver.write_openapi import DOCUMENT, served_document


@pytest.fixture
async def document(server: ApiServer) -> dict[str, Any]:
    return dict(await (await server.public.get("/openapi.json")).json())


async def test_the_committed_document_is_the_served_one(server: ApiServer) -> None:
    """If not: `.venv/bin/python -m tests.apiserver.write_openapi`."""
    assert DOCUMENT.read_text() == await served_document(server)


async def test_it_may_be_cached_by_anyone(server: ApiServer) -> None:
    answer = await server.public.get("/openapi.json")

    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert answer.content_type == "application/json"


async def test_what_needs_a_user_says_so_and_how_it_refuses(document: dict[str, Any]) -> None:
    me = document["paths"]["/api/v1/users/me"]["get"]

    assert document["openapi"] == "3.1.0"
    assert me["security"] == [{"userToken": []}]
    assert document["components"]["securitySchemes"]["userToken"]["scheme"] == "bearer"
    assert set(me["responses"]) == {"200", "401", "403", "429", "503", "default"}


async def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = list(_references(document))

    assert references
    for reference in references:
        found: Any = document
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]


async def test_each_id_in_a_path_has_a_form(document: dict[str, Any]) -> None:
    """Without one, what no id can be would reach the database."""
    parameters = [
        parameter
        for operations in document["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "path"
    ]

    assert parameters
    for parameter in parameters:
        assert parameter["schema"]["pattern"].endswith("_[0-9A-Za-z]{22}$"), parameter


async def test_every_operation_is_in_the_guide(document: dict[str, Any]) -> None:
    guide = (DOCUMENT.parent / "api.md").read_text()

    for path, operations in document["paths"].items():
        for method in operations:
            assert f"`{method.upper()} {path}`" in guide


def _references(part: Any) -> Any:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from _references(inner)
