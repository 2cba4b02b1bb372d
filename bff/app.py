"""The composition root: the only file that knows a concrete store, and the order in which parts open."""

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp_session import session_middleware
from prometheus_client import CollectorRegistry
from yarl import URL

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
from bff.login.transaction import TransactionCookies, login_cookie_prefix
from bff.proxy.access_log import AccessLog
from bff.proxy.admission import Admission, Mount
from bff.proxy.credentials import Credentials
from bff.proxy.door import Door
from bff.proxy.explain import explain_routes
from bff.proxy.front import Front
from bff.proxy.front_server import FrontServer
from bff.proxy.handlers import ProxyHandler
from bff.proxy.headers import CookieNames
from bff.proxy.limits import Limits
from bff.proxy.paths import refusal_of
from bff.proxy.pool import Pools, Shared
from bff.proxy.turn import Turn
from bff.proxy.verify_front import VerifyFront
from bff.routes import WebHandlers, device_routes, proxied_routes, web_routes
from bff.session.activity import Activity
from bff.session.backchannel import BackchannelLogout
from bff.session.faults import answer_store_faults
from bff.session.hot import CoalescedReader, DirectReader, HotReader
from bff.session.listing import SessionListing
from bff.session.live import LiveConnections
from bff.session.logout import Logout
from bff.session.memory import MemorySessionStore
from bff.session.record import SessionLimits
from bff.session.redis_store import open_redis_store
from bff.session.refresh import Refresher
from bff.session.seal import Sealer
from bff.session.sessions import Sessions
from bff.session.storage import SessionStorage, cookie_name
from bff.session.store import SessionStore
from bff.settings import Secrets, Settings
from bff.sweep import sweep_forever, write_activity_forever
from bff.user import AccessTokenClaims, UserHandlers
from common.clock import Clock
from common.health import Health, ReadinessCheck
from common.http import open_client
from common.issuer import Issuer
from common.metrics import RequestMetrics
from common.problems import problem_middleware
from common.randomness import Randomness
from common.rate_limit_counters import open_counters
from common.rate_limits import RateLimiter
from common.requests import RequestLog
from common.routing import Route, add_routes
from common.tasks import Tasks
from common.version import VERSION


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
    request_metrics: RequestMetrics
    hot: HotReader
    store_fault: ReadinessCheck
    limiter: RateLimiter


@dataclass(frozen=True)
class OpenedStore:
    """`hot` is how the data plane reads it; `fault` says in a sentence what it lacks, or None."""

    store: SessionStore
    hot: HotReader
    fault: ReadinessCheck


@asynccontextmanager
async def open_store(
    settings: Settings, secrets: Secrets, sealer: Sealer, clock: Clock, registry: CollectorRegistry
) -> AsyncIterator[OpenedStore]:
    if secrets.session_store is None:
        memory = MemorySessionStore(clock)
        yield OpenedStore(memory, DirectReader(memory.peek), lambda: None)
        return
    tasks = Tasks()
    async with open_redis_store(
        secrets.session_store, sealer, clock, settings.session_idle, registry
    ) as store:
        try:
            yield OpenedStore(store, CoalescedReader(store.load_hot, store.node_of, tasks), store.fault)
        finally:
            await tasks.close()


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
        registry = CollectorRegistry()
        counters = await stack.enter_async_context(
            open_counters(secrets.rate_limit_store, "bff", clock, registry)
        )
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
            refresher=Refresher(sessions, opened.hot, provider, events, clock, randomness, tasks),
            request_metrics=RequestMetrics(registry),
            hot=opened.hot,
            store_fault=opened.fault,
            limiter=RateLimiter(settings.rate_limits, counters, registry),
        )


@dataclass(frozen=True)
class BrowserSide:
    """What speaks to browsers in cookies and headers."""

    storage: SessionStorage
    cookies: TransactionCookies
    csrf: CsrfRules


def build_app(settings: Settings, parts: Parts, door: Door) -> web.Application:
    """The public application: the control plane, and the proxied routes in their aiohttp form."""
    browser = BrowserSide(
        SessionStorage(parts.sessions, is_secure=settings.is_secure),
        TransactionCookies(parts.sealer, parts.clock, settings.is_secure),
        CsrfRules(settings.return_origins),
    )
    request_log = RequestLog(parts.clock, parts.randomness, parts.request_metrics, settings.trusted_proxies)
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
    guard = AccessGuard(parts.sessions, browser.storage, browser.csrf, parts.limiter)
    add_routes(app, routes_of(settings, parts, browser, door), guard)
    return app


def build_private_app(settings: Settings, parts: Parts) -> web.Application:
    """Health, readiness and metrics, and which route a request would meet."""
    checks = {"provider": parts.issuer.fault, "session_store": parts.store_fault}
    app = Health(checks, parts.registry).private_app()
    app.add_routes(explain_routes(settings, refusal_of))
    return app


@asynccontextmanager
async def open_door(settings: Settings, parts: Parts, limits: Limits) -> AsyncIterator[Door]:
    """The data plane, with its own tasks: they end before the parts that they use."""
    tasks = Tasks()
    turn = Turn()
    pools = Pools(Shared(limits, tasks, turn, ssl.create_default_context()))
    for route in settings.routes.routes:
        pools.add(route)
    admission = Admission(_mounts(settings), settings.return_origins, parts.sessions)
    activity = Activity(parts.sessions.store, parts.sessions.limits)
    door = Door(
        admission=admission,
        credentials=Credentials(admission, parts.hot, activity, parts.refresher, parts.clock, tasks),
        pools=pools,
        live=parts.sessions.live,
        limits=limits,
        tasks=tasks,
        turn=turn,
        randomness=parts.randomness,
        access_log=AccessLog(parts.request_metrics, settings.access_log),
        trusted_proxies=settings.trusted_proxies,
        public_url=URL(settings.public_url),
        prefix=settings.prefix,
        cors_origins=settings.origins,
    )
    tasks.keep_running("proxy_sweep", door.sweep_forever)
    tasks.keep_running("session_activity", lambda: write_activity_forever(activity))
    try:
        yield door
    finally:
        await activity.write()
        await tasks.close()
        pools.close()


def front_of(settings: Settings, door: Door) -> FrontServer | None:
    """What takes the connections; None where aiohttp's server does."""
    return FrontServer(door, Front) if settings.data_plane == "protocols" else None


def private_front_of(settings: Settings, door: Door) -> FrontServer | None:
    """What takes those of the private listener: forward-auth for browsers, where there are any."""
    if not settings.has_web_mode:
        return None
    # Web mode alone: who brings a bearer asks the service behind, or the apiserver.
    mounts = [mount for mount in door.admission.mounts if not mount.takes_bearers]
    admission = replace(door.admission, mounts=mounts)
    # Connections of its own: the end of the public ones, or too many of them, is not the end of these.
    private = replace(
        door,
        admission=admission,
        credentials=replace(door.credentials, admission=admission),
        swept=set(),
        fronts=set(),
    )
    door.tasks.keep_running("verify_sweep", private.sweep_forever)
    return FrontServer(private, VerifyFront)


def routes_of(settings: Settings, parts: Parts, browser: BrowserSide, door: Door) -> list[Route[Access]]:
    """The routes of the configured mode, at the root and below the prefix."""
    routes: list[Route[Access]] = []
    if settings.has_web_mode:
        handlers = _web_handlers(settings, parts, browser)
        for mount in settings.web_mounts:
            routes += web_routes(mount, handlers)
    start = DeviceStart(settings, parts.issuer, parts.clock)
    for mount in settings.device_mounts:
        routes += device_routes(mount, start)
    proxy = ProxyHandler(door)
    for mount in (*settings.web_mounts, *settings.device_mounts):
        routes += proxied_routes(mount, settings.routes, proxy)
    return routes


def _mounts(settings: Settings) -> list[Mount]:
    """The longest first: the root would take what belongs to the others."""
    session = cookie_name(is_secure=settings.is_secure).encode()
    login = login_cookie_prefix(is_secure=settings.is_secure).encode()
    web_cookies = CookieNames(session, login)
    no_cookies = CookieNames(session, login, lets_others_pass=False)
    mounts = [Mount(path, settings.routes, web_cookies, takes_bearers=False) for path in settings.web_mounts]
    mounts += [
        Mount(path, settings.routes, no_cookies, takes_bearers=True) for path in settings.device_mounts
    ]
    return sorted(mounts, key=lambda mount: len(mount.path), reverse=True)


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
