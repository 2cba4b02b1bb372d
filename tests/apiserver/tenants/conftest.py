import pytest

from tests.apiserver.people import Person
from tests.apiserver.server import ApiServer
from tests.fakes.issuer import FakeIssuer


@pytest.fixture
def alice(server: ApiServer, issuer: FakeIssuer) -> Person:
    return Person(server, issuer, "alice")


@pytest.fixture
def bob(server: ApiServer, issuer: FakeIssuer) -> Person:
    return Person(server, issuer, "bob")


@pytest.fixture
def carol(server: ApiServer, issuer: FakeIssuer) -> Person:
    return Person(server, issuer, "carol")
