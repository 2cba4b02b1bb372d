"""`docs/routes.md` says what the code does, and its files are good ones."""

import re
from pathlib import Path

import pytest

from bff.proxy.route_checks import OWN_SEGMENTS, Surroundings
from bff.proxy.route_file import ROUTE_KEYS, read_routes
from bff.proxy.route_table import Policy

DOCUMENT = (Path(__file__).parents[2] / "docs" / "routes.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
SURROUNDINGS = Surroundings("https://app.example.com", ("/device", "/web"), ())


@pytest.mark.parametrize("block", BLOCKS, ids=[str(number) for number, _ in enumerate(BLOCKS, start=1)])
def test_every_file_of_the_document_starts(block: str) -> None:
    found = read_routes(block, "routes.toml", None, SURROUNDINGS)

    assert found.faults == ()
    assert found.table.routes


def test_there_are_files_to_start() -> None:
    assert len(BLOCKS) >= 6


def test_every_key_has_its_row() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \|", DOCUMENT, re.MULTILINE)
    policies = {"required", "optional", "anonymous"}

    assert sorted(set(rows) - policies) == sorted(ROUTE_KEYS)


def test_every_own_endpoint_is_named() -> None:
    for segment in OWN_SEGMENTS:
        assert f"`/{segment}`" in DOCUMENT


def test_the_defaults_are_those_of_the_code() -> None:
    (route,) = read_routes('[[route]]\nprefix = "/x"', "x", "http://h", SURROUNDINGS).table.routes
    seconds = {"answer_timeout": route.answer_timeout_s, "connect_timeout": route.connect_timeout_s}

    assert route.policy == Policy("required")
    assert "| `policy` | `required` |" in DOCUMENT
    for key, value in seconds.items():
        assert f"| `{key}` | `{value:.0f}s` |" in DOCUMENT


def test_strip_prefix_does_what_the_example_says() -> None:
    block = next(block for block in BLOCKS if "strip_prefix" in block)
    (route,) = read_routes(block, "x", None, SURROUNDINGS).table.routes

    target = route.target_at(route.upstreams[0], "/shop/orders?page=2")
    assert f"# asked for {target}" in block
