import pytest

from tests.apiserver.callers import Caller, user
from tests.apiserver.server import ApiServer
from tests.fakes.issuer import FakeIssuer


@pytest.fixture
def alice(server: ApiServer, issuer: FakeIssuer) -> Caller:
    """Somebody with a personal tenant, who owns it."""
    return user(server, issuer, "alice")


@pytest.fixture
def bob(server: ApiServer, issuer: FakeIssuer) -> Caller:
    """Somebody else."""
    return user(server, issuer, "bob")
