"""The composition root: opens the parts, joins them to the two applications. It alone knows the storage."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry

from apiserver.auth.access import Guard
from apiserver.auth.authenticate import Authenticator
from apiserver.limits import BODY_LIMIT_BYTES, refuse_large_bodies
from apiserver.routes import api_routes
from apiserver.settings import Settings
from apiserver.storage.contracts import Storage
from apiserver.storage.location import SqliteFile
from apiserver.storage.sql import open_storage
from apiserver.storage.watch import StorageWatch
from apiserver.tenants.first_login import UserDirectory
from common.clock import Clock, SystemClock
from common.health import Health
from common.http import open_client
from common.issuer import Issuer
from common.metrics import RequestMetrics
from common.problems import problem_middleware
from common.randomness import Randomness, SystemRandomness
from common.requests import RequestLog
from common.routing import add_routes
from common.tasks import Tasks


@dataclass(frozen=True)
class Parts:
    """What is open while the server runs."""

    clock: Clock
    randomness: Randomness
    issuer: Issuer
    storage: Storage
    storage_watch: StorageWatch
    registry: CollectorRegistry


@asynccontextmanager
async def open_parts(
    settings: Settings, *, clock: Clock | None = None, randomness: Randomness | None = None
) -> AsyncIterator[Parts]:
    """Opens everything in order and closes it in reverse. A provider that is away does not stop it.

    Raises `SettingsError` when the database cannot be used.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            open_client(user_agent="doorward-apiserver", insecure_tls=settings.insecure_tls)
        )
        storage = await open_storage(stack, SqliteFile(settings.database))
        watch = StorageWatch(storage)
        await watch.look()
        # Closed first: background work uses all that was opened before.
        tasks = Tasks()
        stack.push_async_callback(tasks.close)
        issuer = Issuer(
            settings.provider, backchannel=settings.backchannel, client=client, clock=clock, tasks=tasks
        )
        tasks.keep_running("provider", issuer.keep_fresh)
        tasks.keep_running("storage_watch", watch.keep_looking)
        yield Parts(
            clock=clock,
            randomness=randomness or SystemRandomness(),
            issuer=issuer,
            storage=storage,
            storage_watch=watch,
            registry=CollectorRegistry(),
        )


def build_app(settings: Settings, parts: Parts) -> web.Application:
    """The application of the public listener."""
    requests = RequestLog(
        clock=parts.clock,
        randomness=parts.randomness,
        metrics=RequestMetrics(parts.registry),
        trusted_proxies=settings.trusted_proxies,
    )
    # Outermost first: the log sees every answer, refusals of the limit are answered as problems.
    middlewares = [requests.middleware(), problem_middleware(), refuse_large_bodies]
    app = web.Application(middlewares=middlewares, client_max_size=BODY_LIMIT_BYTES)
    app.on_response_prepare.append(_set_headers)
    authenticator = Authenticator(
        issuer=parts.issuer,
        audience=settings.audience,
        bearer=settings.bearer,
        clock=parts.clock,
        users=UserDirectory(parts.storage, parts.clock, parts.randomness),
    )
    add_routes(app, api_routes(parts.storage), Guard(authenticator))
    return app


def build_private_app(parts: Parts) -> web.Application:
    """The application of the private listener: health and metrics."""
    checks = {"provider": parts.issuer.fault, "storage": parts.storage_watch.fault}
    return Health(checks=checks, registry=parts.registry).private_app()


async def _set_headers(_request: web.Request, response: web.StreamResponse) -> None:
    # Answers speak of the caller: unless a handler says otherwise, no cache may keep one.
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
