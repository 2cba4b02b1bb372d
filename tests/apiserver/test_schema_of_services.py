"""Services are answered as the OpenAPI document says, and refused so where they may not."""

from collections.abc import Iterator

import httpx
import pytest

from apiserver.auth.scopes import Scope
from tests.apiserver.schema_run import Served, document, faults, served
from tests.apiserver.test_schema import EXAMPLES

OWN = "^/api/v1/(devices(?!/me)|registration-tokens|audit-events|tenants/{tenant_id}$|.*/members$)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("schema")) as running:
        yield running


@pytest.fixture(scope="module")
def service(server: Served) -> str:
    """The secret of one with all scopes."""
    made = httpx.post(
        server.url.replace("/openapi.json", "/api/v1/service-tokens"),
        json={"label": "any", "scopes": [scope.value for scope in Scope]},
        headers={"Authorization": f"Bearer {server.user}"},
    )
    return str(made.json()["token"])


def test_a_service_is_answered_as_documented(server: Served, service: str) -> None:
    whole = document(server.url, service, examples=EXAMPLES)

    assert faults(whole.include(path_regex=OWN).exclude(path_regex="/take-over$")) == []


def test_a_service_that_may_not_is_refused_as_documented(server: Served, service: str) -> None:
    whole = document(server.url, service, examples=1, with_coverage=False)

    assert faults(whole.exclude(path_regex=OWN)) == []
