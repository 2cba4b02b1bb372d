"""The shape of the code: who may import whom, what every route and package declares."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from common.problems import PROBLEMS, ProblemCode
from common.routing import Route, add_routes

ROOT = Path(__file__).parent.parent
OURS = ("common", "bff", "apiserver", "cli")
MAY_IMPORT = {
    "common": {"common"},
    "bff": {"bff", "common"},
    "apiserver": {"apiserver", "common"},
    "cli": {"cli", "common"},
}
# A concrete store is known to the composition root, and to the package that it is made of.
CONCRETE_STORES = {
    "bff.session.memory": {"bff/app.py"},
    "bff.session.redis_store": {"bff/app.py"},
    "apiserver.storage.sql": {"apiserver/app.py"},
}


def sources(package: str) -> Iterator[Path]:
    return (path for path in (ROOT / package).rglob("*.py") if "versions" not in path.parts)


def imports(path: Path) -> set[str]:
    """The modules that a file imports, wherever in it the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("package", OURS)
def test_packages_import_only_what_they_may(package: str) -> None:
    others = (set(OURS) | {"deploy", "tests"}) - MAY_IMPORT[package]
    wrong = {
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources(package)
        for module in imports(path)
        if module.split(".")[0] in others
    }

    assert wrong == set()


@pytest.mark.parametrize("store", CONCRETE_STORES)
def test_only_the_composition_root_knows_a_concrete_store(store: str) -> None:
    package = store.split(".", maxsplit=1)[0]
    knowing = {str(path.relative_to(ROOT)) for path in sources(package) if store in imports(path)}

    assert knowing == CONCRETE_STORES[store]


def test_no_import_hides_inside_a_function() -> None:
    hidden = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in OURS
        for path in sources(package)
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }

    assert hidden == set()


def test_every_package_says_what_is_inside_and_holds_no_code() -> None:
    for package in OURS:
        for path in (ROOT / package).rglob("__init__.py"):
            if "versions" in path.parts:
                continue
            body = ast.parse(path.read_text(encoding="utf-8"))
            assert ast.get_docstring(body), f"{path.relative_to(ROOT)} says nothing"
            assert len(body.body) == 1, f"{path.relative_to(ROOT)} holds code"


def test_no_function_is_too_long_to_hold_in_the_head() -> None:
    long = {
        f"{path.relative_to(ROOT)}:{node.name}"
        for package in OURS
        for path in sources(package)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (node.end_lineno or 0) - node.lineno >= 60
    }

    assert long == set()


def test_a_route_without_an_access_rule_is_not_registered() -> None:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response()

    bare: Route[Any] = Route("GET", "/bare", handler, None, "Nobody said who may call this")

    with pytest.raises(TypeError, match="declares no access rule"):
        add_routes(web.Application(), [bare], lambda route: route.handler)


def test_every_problem_code_has_a_status_a_title_and_a_place_in_the_documents() -> None:
    documented = (ROOT / "docs" / "problems.md").read_text(encoding="utf-8")

    assert set(PROBLEMS) == set(ProblemCode)
    for code, (status, _) in PROBLEMS.items():
        assert f"| `{code}` | {status.value} |" in documented
