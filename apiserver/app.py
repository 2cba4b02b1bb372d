"""The composition root: opens the parts, joins them to the two applications. It alone knows the storage."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx
from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry

from apiserver.audit.chain import audit_key
from apiserver.audit.checkpoints import CheckpointLog
from apiserver.audit.handlers import AuditHandlers
from apiserver.audit.trail import Auditor
from apiserver.audit.verification import ChainVerification
from apiserver.auth.access import Guard
from apiserver.auth.authenticate import Authenticator
from apiserver.auth.look_up import LookUp
from apiserver.auth.own_jwts import OwnJwtAuthenticator
from apiserver.auth.rates import RATE_LIMIT_HEADERS, CallerCounts, CountedCallers
from apiserver.auth.secrets_presented import Noted, SecretAuthenticator
from apiserver.auth.verified import LoginVerifier, VerifiedLogins
from apiserver.devices.device import DeviceId
from apiserver.devices.handlers import DeviceHandlers
from apiserver.devices.lifecycle import DeviceLifecycle
from apiserver.devices.listing import DeviceListing
from apiserver.devices.register import Registrar
from apiserver.edge.authz import Authz
from apiserver.errors import StorageUnavailableError
from apiserver.exchange.introspection import Introspection
from apiserver.exchange.minting import MintedOnce, Minter
from apiserver.exchange.oauth import render_with_oauth
from apiserver.exchange.own_jwts import OwnJwts
from apiserver.exchange.subjects import Subjects
from apiserver.exchange.token import TokenExchange
from apiserver.janitor import Janitor
from apiserver.last_seen import LastSeen
from apiserver.limits import BODY_LIMIT_BYTES, refuse_large_bodies
from apiserver.pages import cursors
from apiserver.routes import OAUTH_PATHS, Handlers, api_routes
from apiserver.server_key import kept_server_keys
from apiserver.settings import Secrets, Settings
from apiserver.signing.jwks import PublishedKeys
from apiserver.signing.operator import SigningKeyHandlers
from apiserver.signing.rotation import SigningKeys
from apiserver.signing.sealing import key_sealer
from apiserver.storage.contracts import Storage
from apiserver.storage.hold import HeldError, held
from apiserver.storage.location import DatabaseLocation, SqliteFile
from apiserver.storage.sql import open_storage
from apiserver.storage.sqlite import unusable_file
from apiserver.storage.watch import StorageWatch
from apiserver.tenants.first_login import UserDirectory
from apiserver.tenants.handlers import InvitationHandlers, MemberHandlers, TenantHandlers, UserHandlers
from apiserver.tenants.invitations import Invitations
from apiserver.tenants.lifecycle import TenantLifecycle
from apiserver.tenants.listing import TenantListing
from apiserver.tenants.members import Members
from apiserver.tokens.handlers import RegistrationTokenHandlers
from apiserver.tokens.lifecycle import RegistrationTokenLifecycle
from apiserver.tokens.listing import RegistrationTokenListing
from apiserver.tokens.service_handlers import ServiceTokenHandlers
from apiserver.tokens.service_token import ServiceTokenId
from apiserver.tokens.service_tokens import ServiceTokens
from common.clock import Clock, SystemClock
from common.env import SettingsError
from common.health import Health
from common.http import open_client
from common.issuer import Issuer
from common.metrics import RequestMetrics
from common.problems import problem_middleware
from common.randomness import Randomness, SystemRandomness
from common.rate_limit_counters import open_counters
from common.rate_limits import RateLimiter
from common.request_keys import REQUEST_ID
from common.requests import RequestLog
from common.routing import add_routes
from common.tasks import Tasks


@dataclass(frozen=True)
class Parts:
    """What is open while the server runs. The first of `server_keys` is used, all of them verify and open."""

    server_keys: tuple[bytes, ...] = field(repr=False)
    clock: Clock
    randomness: Randomness
    issuer: Issuer
    storage: Storage
    storage_watch: StorageWatch
    registry: CollectorRegistry
    last_seen: LastSeen[DeviceId]
    service_tokens_last_used: LastSeen[ServiceTokenId]
    auditor: Auditor
    device_lifecycle: DeviceLifecycle
    signing_keys: SigningKeys
    subjects: Subjects
    request_metrics: RequestMetrics
    limiter: RateLimiter


@asynccontextmanager
async def open_parts(
    settings: Settings,
    secrets: Secrets,
    *,
    clock: Clock | None = None,
    randomness: Randomness | None = None,
) -> AsyncIterator[Parts]:
    """Opens everything in order and closes it in reverse. A provider that is away does not stop it.

    Raises `SettingsError` when the database or the key beside it cannot be used.
    """
    clock, randomness = clock or SystemClock(), randomness or SystemRandomness()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            open_client(user_agent="doorward-apiserver", insecure_tls=settings.insecure_tls)
        )
        registry = CollectorRegistry()
        counters = await stack.enter_async_context(
            open_counters(secrets.rate_limit_store, "apiserver", clock, registry)
        )
        _hold(stack, settings.database)
        storage = await open_storage(stack, settings.database)
        server_keys = _server_keys(settings, secrets, randomness)
        watch = StorageWatch(storage)
        await watch.look()
        signing_keys = SigningKeys(storage, key_sealer(server_keys, randomness), clock)
        await signing_keys.look()
        checkpoints = CheckpointLog(storage)
        # After the last event, that of background work included.
        stack.push_async_callback(_try, checkpoints.write)
        # Closed first: background work uses all that was opened before.
        tasks = Tasks()
        stack.push_async_callback(tasks.close)
        issuer = _issuer(settings, client, clock, tasks)
        tasks.keep_running("storage_watch", watch.keep_looking)
        last_seen, last_used = _noted_times(stack, tasks, storage)
        tasks.keep_running("audit_checkpoints", checkpoints.keep_writing)
        auditor = Auditor(audit_key(server_keys[0]), randomness, checkpoints.note)
        lifecycle = DeviceLifecycle(storage, auditor, randomness)
        tasks.keep_running("signing_keys", signing_keys.keep_looking)
        janitor = Janitor(storage, lifecycle, last_seen, signing_keys, clock, registry)
        tasks.keep_running("janitor", janitor.keep_clean)
        yield Parts(
            server_keys=server_keys,
            clock=clock,
            randomness=randomness,
            issuer=issuer,
            storage=storage,
            storage_watch=watch,
            registry=registry,
            last_seen=last_seen,
            service_tokens_last_used=last_used,
            auditor=auditor,
            device_lifecycle=lifecycle,
            signing_keys=signing_keys,
            subjects=Subjects(storage, settings.provider, clock),
            request_metrics=RequestMetrics(registry),
            limiter=RateLimiter(settings.rate_limits, counters, registry),
        )


def _issuer(settings: Settings, client: httpx.AsyncClient, clock: Clock, tasks: Tasks) -> Issuer:
    issuer = Issuer(
        settings.provider, backchannel=settings.backchannel, client=client, clock=clock, tasks=tasks
    )
    tasks.keep_running("provider", issuer.keep_fresh)
    return issuer


def _noted_times(
    stack: AsyncExitStack, tasks: Tasks, storage: Storage
) -> tuple[LastSeen[DeviceId], LastSeen[ServiceTokenId]]:
    """When devices were seen and service tokens used last."""
    devices = LastSeen[DeviceId](storage, lambda transaction, *seen: transaction.devices.seen(*seen))
    services = LastSeen[ServiceTokenId](
        storage, lambda transaction, *used: transaction.service_tokens.used(*used)
    )
    stack.push_async_callback(_try, devices.write)
    stack.push_async_callback(_try, services.write)
    tasks.keep_running("last_seen", devices.keep_writing)
    tasks.keep_running("service_tokens_last_used", services.keep_writing)
    return devices, services


def _hold(stack: AsyncExitStack, location: DatabaseLocation) -> None:
    """Until the storage is closed, so that no restore changes the file under it."""
    if not isinstance(location, SqliteFile):
        return
    try:
        stack.enter_context(held(location.path, alone=False))
    except HeldError as error:
        fault = f"DATABASE_URL names {location.path}, which is being restored: wait for its end."
        raise SettingsError([fault]) from error
    except OSError as error:
        raise unusable_file(location.path, error.strerror) from error


def _server_keys(settings: Settings, secrets: Secrets, randomness: Randomness) -> tuple[bytes, ...]:
    if secrets.server_keys is not None:
        return secrets.server_keys
    assert isinstance(settings.database, SqliteFile)  # noqa: S101 - with PostgreSQL the settings require a key
    return kept_server_keys(settings.database.path, randomness)


def build_app(settings: Settings, parts: Parts) -> web.Application:
    """The application of the public listener."""
    # Outermost first: the log sees every answer, refusals of the limits are answered as problems.
    middlewares = [
        _request_log(settings, parts).middleware(),
        problem_middleware(render_with_oauth(OAUTH_PATHS)),
        refuse_large_bodies,
    ]
    app = web.Application(middlewares=middlewares, client_max_size=BODY_LIMIT_BYTES)
    app.on_response_prepare.append(_set_headers)
    add_routes(app, api_routes(_handlers(settings, parts)), Guard(_callers(settings, parts)))
    return app


def _callers(settings: Settings, parts: Parts) -> CountedCallers:
    return CountedCallers(_authenticator(settings, parts), _counts(parts))


def _counts(parts: Parts) -> CallerCounts:
    return CallerCounts(parts.limiter, parts.clock)


def _request_log(settings: Settings, parts: Parts) -> RequestLog:
    return RequestLog(
        clock=parts.clock,
        randomness=parts.randomness,
        metrics=parts.request_metrics,
        trusted_proxies=settings.trusted_proxies,
    )


def _authenticator(settings: Settings, parts: Parts) -> Authenticator:
    return Authenticator(
        logins=VerifiedLogins(LoginVerifier(parts.issuer, settings.audience, settings.bearer)),
        clock=parts.clock,
        users=UserDirectory(parts.storage, parts.clock, parts.randomness, parts.auditor),
        secrets=_secrets(parts),
        own_jwts=OwnJwtAuthenticator(_own_jwts(settings, parts), _look_up(parts), parts.clock, _noted(parts)),
        own_audience=settings.audience,
    )


def _secrets(parts: Parts) -> SecretAuthenticator:
    return SecretAuthenticator(_look_up(parts), parts.storage, parts.clock, _noted(parts))


def _look_up(parts: Parts) -> LookUp:
    return LookUp(parts.storage, parts.clock)


def _noted(parts: Parts) -> Noted:
    return Noted(parts.clock, parts.last_seen, parts.service_tokens_last_used)


def _own_jwts(settings: Settings, parts: Parts) -> OwnJwts:
    return OwnJwts(settings.public_url, parts.signing_keys)


def _minter(settings: Settings, parts: Parts) -> Minter:
    return Minter(settings.public_url, parts.signing_keys, parts.clock, parts.randomness)


def _handlers(settings: Settings, parts: Parts) -> Handlers:
    storage, randomness, clock = parts.storage, parts.randomness, parts.clock
    auditor = parts.auditor
    lists = cursors(parts.server_keys[0])
    return Handlers(
        users=UserHandlers(storage),
        tenants=TenantHandlers(storage, TenantLifecycle(storage, auditor, randomness), clock),
        members=MemberHandlers(Members(storage, auditor), clock),
        invitations=InvitationHandlers(Invitations(storage, auditor, randomness), clock),
        tenant_lists=TenantListing(storage, lists, clock),
        devices=DeviceHandlers(
            storage,
            Registrar(storage, auditor, randomness),
            parts.device_lifecycle,
            clock,
        ),
        device_list=DeviceListing(storage, lists),
        registration_tokens=RegistrationTokenHandlers(
            storage, RegistrationTokenLifecycle(storage, auditor, randomness), clock
        ),
        registration_token_list=RegistrationTokenListing(storage, lists, clock),
        service_tokens=ServiceTokenHandlers(
            storage, ServiceTokens(storage, auditor, randomness), lists, clock
        ),
        audit=AuditHandlers(storage, lists, ChainVerification(storage, _audit_keys(parts.server_keys))),
        token_exchange=TokenExchange(
            _secrets(parts),
            parts.subjects,
            _minter(settings, parts),
            _counts(parts),
            settings.token_audiences,
        ),
        introspection=Introspection(_look_up(parts), _own_jwts(settings, parts), parts.subjects, clock),
        published_keys=PublishedKeys(parts.signing_keys, clock),
    )


def _audit_keys(server_keys: Sequence[bytes]) -> Mapping[str, bytes]:
    keys = [audit_key(server_key) for server_key in server_keys]
    return {key.id: key.key for key in keys}


def build_private_app(settings: Settings, parts: Parts) -> web.Application:
    """The application of the private listener: health and metrics, the edge, and what the operator asks."""
    checks = {"provider": parts.issuer.fault, "storage": parts.storage_watch.fault}
    app = Health(checks=checks, registry=parts.registry).private_app()
    authz = Authz(
        _authenticator(settings, parts),
        parts.subjects,
        MintedOnce(_minter(settings, parts)),
        CallerCounts(parts.limiter, parts.clock, place="edge:"),
        settings.token_audiences,
        parts.clock,
    )
    for prefix, part in (
        ("/authz", authz.app()),
        ("/signing-keys", SigningKeyHandlers(parts.signing_keys, parts.clock).app()),
    ):
        # Probes have no line in the log, these have.
        part.middlewares.extend([_request_log(settings, parts).middleware(), problem_middleware()])
        part.on_response_prepare.append(_set_headers)
        app.add_subapp(prefix, part)
    return app


async def _try(write: Callable[[], Awaitable[None]]) -> None:
    # When devices were seen last, and checkpoints: worth a try, not an error at the end of a server.
    with suppress(StorageUnavailableError):
        await write()


async def _set_headers(request: web.Request, response: web.StreamResponse) -> None:
    # Also on those that are sent bit by bit, which have begun before any middleware sees them.
    if REQUEST_ID in request:
        response.headers["X-Request-Id"] = request[REQUEST_ID]
    # Answers speak of the caller: unless a handler says otherwise, no cache may keep one.
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.update(request.get(RATE_LIMIT_HEADERS, {}))
