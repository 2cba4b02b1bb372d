"""A server whose storage fails."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from aiohttp.test_utils import TestClient
from prometheus_client import CollectorRegistry

from apiserver.app import build_app, build_private_app
from apiserver.settings import read_settings
from apiserver.storage.contracts import Storage, Work
from apiserver.storage.watch import StorageWatch
from tests.apiserver.server import ApiServer, RealRunner, environment
from tests.fakes.issuer import FakeIssuer

T = TypeVar("T")


class BrokenStorage:
    """A storage that is away, or that fails in a way nobody thought of."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def write(self, work: Work[T]) -> T:
        raise self._error

    read = write

    async def ping(self) -> None:
        raise self._error


@asynccontextmanager
async def broken_server(
    server: ApiServer, issuer: FakeIssuer, database: Path, error: Exception
) -> AsyncIterator[ApiServer]:
    """The same server over a broken storage."""
    storage: Storage = BrokenStorage(error)
    watch = StorageWatch(storage)
    parts = replace(server.parts, storage=storage, storage_watch=watch, registry=CollectorRegistry())
    settings, _ = read_settings(environment(issuer.url, database))
    async with (
        TestClient(RealRunner(build_app(settings, parts))) as public,
        TestClient(RealRunner(build_private_app(settings, parts))) as private,
    ):
        yield ApiServer(public, private, parts)
