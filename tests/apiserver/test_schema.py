"""Every operation answers as the OpenAPI document says, whoever asks for whatever.

`SCHEMA_EXAMPLES=500` with `--timeout=0` tries more than continuous integration has the time for.
"""

import os
from collections.abc import Iterator

import pytest

from tests.apiserver.schema_run import Served, document, faults, served

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "3"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("schema")) as running:
        yield running


def test_a_user_is_answered_as_documented(server: Served) -> None:
    whole = document(server.url, server.user, examples=EXAMPLES)

    assert faults(whole.exclude(path_regex="/devices/me")) == []


def test_a_device_is_answered_as_documented(server: Served) -> None:
    whole = document(server.url, server.device, examples=EXAMPLES)

    assert faults(whole.include(path_regex="/devices/me").exclude(method="DELETE")) == []


def test_a_device_that_leaves_is_answered_as_documented(server: Served) -> None:
    whole = document(server.url, server.leaving_device, examples=EXAMPLES)

    assert faults(whole.include(path_regex="/devices/me", method="DELETE")) == []


def test_a_registration_token_is_answered_as_documented(server: Served) -> None:
    whole = document(server.url, server.registration_token, examples=EXAMPLES)

    assert faults(whole.include(path="/api/v1/devices", method="POST")) == []


OWN = {
    "user": "^(?!/api/v1/devices/me)",
    "device": "^/api/v1/devices/me",
    "registration_token": "^/api/v1/devices$",
}


@pytest.mark.parametrize(("kind", "own"), OWN.items(), ids=OWN)
def test_who_may_not_is_refused_as_documented(server: Served, kind: str, own: str) -> None:
    whole = document(server.url, getattr(server, kind), examples=1, with_coverage=False)

    assert faults(whole.exclude(path_regex=own)) == []
