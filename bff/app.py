"""The composition root: the only file that knows a concrete store, and the order in which parts open."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp_session import session_middleware
from prometheus_client import CollectorRegistry

from bff.access import Access, AccessGuard
from bff.answers import ProblemAnswers
from bff.cors import Cors
from bff.csrf import CsrfRules
from bff.device.start import DeviceStart
from bff.events import Events, make_events
from bff.login.client_auth import client_authentication
from bff.login.end import LoginEnd
from bff.login.provider import Provider
from bff.login.start import LoginStart
from bff.login.transaction import TransactionCookies
from bff.proxy.forward import Forwarder, open_upstream_client
from bff.proxy.handlers import DeviceProxy, WebProxy
from bff.routes import WebHandlers, device_routes, web_routes
from bff.session.backchannel import BackchannelLogout
from bff.session.faults import answer_store_faults
from bff.session.listing import SessionListing
from bff.session.live import LiveConnections
from bff.session.logout import Logout
from bff.session.memory import MemorySessionStore
from bff.session.record import SessionLimits
from bff.session.redis_store import open_redis_store
from bff.session.refresh import Refresher
from bff.session.seal import Sealer
from bff.session.sessions import Sessions
from bff.session.storage import SessionStorage
from bff.session.store import SessionStore
from bff.settings import Secrets, Settings
from bff.sweep import sweep_forever
from bff.user import AccessTokenClaims, UserHandlers
from common.clock import Clock
from common.health import Health, ReadinessCheck
from common.http import open_client
from common.issuer import Issuer
from common.metrics import RequestMetrics
from common.problems import problem_middleware
from common.randomness import Randomness
from common.requests import RequestLog
from common.routing import Route, add_routes
from common.tasks import Tasks
from common.version import VERSION

DEVICE_MOUNT = "/device"


@dataclass(frozen=True)
class Parts:
    """Everything that is opened once and shared by the handlers."""

    clock: Clock
    randomness: Randomness
    tasks: Tasks
    registry: CollectorRegistry
    events: Events
    issuer: Issuer
    provider: Provider
    sealer: Sealer
    sessions: Sessions
    refresher: Refresher
    upstream: aiohttp.ClientSession
    store_fault: ReadinessCheck


@dataclass(frozen=True)
class OpenedStore:
    """`fault` says in a sentence what the store lacks, or None."""

    store: SessionStore
    fault: ReadinessCheck


@asynccontextmanager
async def open_store(
    settings: Settings, secrets: Secrets, sealer: Sealer, clock: Clock, registry: CollectorRegistry
) -> AsyncIterator[OpenedStore]:
    if secrets.session_store is None:
        yield OpenedStore(MemorySessionStore(clock), lambda: None)
        return
    async with open_redis_store(
        secrets.session_store, sealer, clock, settings.session_idle, registry
    ) as store:
        yield OpenedStore(store, store.fault)


@asynccontextmanager
async def open_parts(
    settings: Settings, secrets: Secrets, clock: Clock, randomness: Randomness
) -> AsyncIterator[Parts]:
    """Open all parts in order; close them in reverse."""
    async with AsyncExitStack() as stack:
        user_agent = f"doorward-bff/{VERSION}"
        client = await stack.enter_async_context(
            open_client(user_agent=user_agent, insecure_tls=settings.insecure_tls)
        )
        upstream = await stack.enter_async_context(open_upstream_client())
        registry = CollectorRegistry()
        sealer = Sealer(secrets.cookie_keys, randomness)
        # Before the tasks, since they use it until they are closed.
        opened = await stack.enter_async_context(open_store(settings, secrets, sealer, clock, registry))
        tasks = Tasks()
        stack.push_async_callback(tasks.close)
        issuer = Issuer(
            settings.provider, backchannel=settings.backchannel, client=client, clock=clock, tasks=tasks
        )
        tasks.keep_running("provider_keys", issuer.keep_fresh)
        limits = SessionLimits(settings.session_idle, settings.session_lifetime)
        sessions = Sessions(opened.store, sealer, LiveConnections(), limits, clock, randomness)
        tasks.keep_running("session_sweep", lambda: sweep_forever(sessions))
        tasks.keep_running("ended_sessions", sessions.close_announced)
        provider = Provider(
            issuer, client, settings, client_authentication(settings, secrets, clock, randomness)
        )
        events = make_events(registry)
        yield Parts(
            clock=clock,
            randomness=randomness,
            tasks=tasks,
            registry=registry,
            events=events,
            issuer=issuer,
            provider=provider,
            sealer=sealer,
            sessions=sessions,
            refresher=Refresher(sessions, provider, events, clock, randomness, tasks),
            upstream=upstream,
            store_fault=opened.fault,
        )


@dataclass(frozen=True)
class BrowserSide:
    """What speaks to browsers in cookies and headers."""

    storage: SessionStorage
    cookies: TransactionCookies
    csrf: CsrfRules

    def is_our_cookie(self, name: str) -> bool:
        return name == self.storage.cookie_name or self.cookies.is_ours(name)


def build_app(settings: Settings, parts: Parts) -> web.Application:
    """The public application."""
    browser = BrowserSide(
        SessionStorage(parts.sessions, is_secure=settings.is_secure),
        TransactionCookies(parts.sealer, parts.clock, settings.is_secure),
        CsrfRules(settings.return_origins),
    )
    request_log = RequestLog(
        parts.clock, parts.randomness, RequestMetrics(parts.registry), settings.trusted_proxies
    )
    cors = Cors(settings.origins)
    app = web.Application(
        middlewares=[
            request_log.middleware(),  # outermost: every answer of ours has an id and one line
            cors.middleware(),  # preflights carry no cookie: before anything looks for one
            no_caching,  # also for refusals, so above the next
            problem_middleware(ProblemAnswers(settings.prefix)),  # above the session: refusals set no cookie
            answer_store_faults,  # above the session as well: it asks the store, before and after the handler
            session_middleware(browser.storage),
        ],
    )
    app.on_response_prepare.append(cors.add_headers)
    guard = AccessGuard(parts.sessions, browser.storage, browser.csrf)
    add_routes(app, routes_of(settings, parts, browser), guard)
    return app


def build_private_app(parts: Parts) -> web.Application:
    """Health, readiness and metrics."""
    checks = {"provider": parts.issuer.fault, "session_store": parts.store_fault}
    return Health(checks, parts.registry).private_app()


def routes_of(settings: Settings, parts: Parts, browser: BrowserSide) -> list[Route[Access]]:
    """The routes of the configured mode, at the root and below the prefix."""
    forwarder = Forwarder(settings, parts.upstream, parts.sessions.live, browser.is_our_cookie)
    mounts = ["", settings.prefix] if settings.prefix else [""]
    routes: list[Route[Access]] = []
    if settings.has_web_mode:
        handlers = _web_handlers(settings, parts, browser)
        for mount in mounts:
            proxy = WebProxy(parts.sessions, parts.refresher, forwarder, mount)
            routes += web_routes(mount, handlers, proxy)
    if settings.has_device_mode:
        start = DeviceStart(settings, parts.issuer, parts.clock)
        without_cookies = replace(forwarder, is_our_cookie=lambda _: True)
        for mount in [DEVICE_MOUNT] if settings.has_web_mode else mounts:
            routes += device_routes(mount, start, DeviceProxy(without_cookies, mount))
    return routes


def _web_handlers(settings: Settings, parts: Parts, browser: BrowserSide) -> WebHandlers:
    clock, randomness = parts.clock, parts.randomness
    start = LoginStart(settings, parts.provider, browser.cookies, clock, randomness)
    end = LoginEnd(
        start,
        parts.provider,
        parts.sessions,
        browser.storage,
        browser.cookies,
        parts.events,
        clock,
        randomness,
    )
    claims = AccessTokenClaims(settings, parts.sessions, parts.refresher, parts.provider, clock)
    user = UserHandlers(settings, parts.sessions, browser.storage, parts.refresher, claims, clock)
    logout = Logout(
        settings=settings,
        sessions=parts.sessions,
        storage=browser.storage,
        provider=parts.provider,
        sealer=parts.sealer,
        csrf=browser.csrf,
        events=parts.events,
        clock=clock,
        randomness=randomness,
        tasks=parts.tasks,
    )
    backchannel = BackchannelLogout(
        parts.issuer, settings.client_id, parts.sessions, parts.events, clock, parts.tasks
    )
    listing = SessionListing(parts.sessions, claims, settings.admin_scope, parts.events, clock)
    return WebHandlers(start, end, user, logout, backchannel, listing)


@web.middleware
async def no_caching(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers about a person are for that person: no cache keeps one, unless the upstream says so itself."""
    response = await handler(request)
    if not response.prepared:
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "no-referrer")
    return response
