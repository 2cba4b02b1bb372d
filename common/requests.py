"""The outermost middleware of both servers: who asks, under which id, and one log line for the answer."""

import re
from dataclasses import dataclass

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from common.addresses import client_address, is_within
from common.clock import Clock
from common.env import Network
from common.metrics import RequestMetrics
from common.randomness import Randomness, token_urlsafe
from common.request_keys import CALLER_LABEL, CLIENT_ADDRESS, IS_FROM_TRUSTED_PROXY, REQUEST_ID, ROUTE_NAME

_REQUEST_ID_FORM = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ID_BYTES = 12
_REQUESTS_OF_ONE_PREFIX = 64

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class RequestLog:
    """Names each request and writes its one line (docs/operation.md has the fields)."""

    clock: Clock
    randomness: Randomness
    metrics: RequestMetrics
    trusted_proxies: tuple[Network, ...]

    def middleware(self) -> Middleware:
        names, peers = _RequestNames(self.randomness), _UntrustedPeers()

        @web.middleware
        async def log_request(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._identify(request, names, peers)
            started = self.clock.monotonic()
            status: int = 499  # what is written when the client left and the handler was cancelled
            try:
                response = await handler(request)
                status = response.status
            except web.HTTPException as answer:
                status = answer.status
                answer.headers["X-Request-Id"] = request[REQUEST_ID]
                raise
            else:
                if not response.prepared:
                    response.headers["X-Request-Id"] = request[REQUEST_ID]
                return response
            finally:
                self._write(request, status, self.clock.monotonic() - started)

        return log_request

    def _identify(self, request: web.Request, names: "_RequestNames", peers: "_UntrustedPeers") -> None:
        peer = request.remote or "unix"
        is_trusted = is_within(peer, self.trusted_proxies)
        forwarded = request.headers.getall("X-Forwarded-For", [])
        if forwarded and not is_trusted:
            peers.forwarded(peer)
        request[IS_FROM_TRUSTED_PROXY] = is_trusted
        request[CLIENT_ADDRESS] = client_address(peer, forwarded, self.trusted_proxies)
        given = request.headers.get("X-Request-Id", "") if is_trusted else ""
        request[REQUEST_ID] = request_id(given) or names.new()

    def _write(self, request: web.Request, status: int, seconds: float) -> None:
        route = request.get(ROUTE_NAME) or route_pattern(request)
        method = method_label(request.method)
        self.metrics.answered(method=method, route=route, status=status, seconds=seconds)
        caller = request.get(CALLER_LABEL)
        log.info(
            "request",
            request_id=request[REQUEST_ID],
            method=method,
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            caller=caller.kind if caller else None,
            caller_id=caller.id if caller else None,
            address=request[CLIENT_ADDRESS],
        )


class _UntrustedPeers:
    """Warns once: any client can send the header, and would fill the log with it."""

    def __init__(self) -> None:
        self._has_warned = False

    def forwarded(self, peer: str) -> None:
        if self._has_warned:
            return
        self._has_warned = True
        log.warning(
            "untrusted_proxy",
            peer=peer,
            what="X-Forwarded-For is not believed. If this peer is a proxy of yours, name it in "
            "TRUSTED_PROXIES: until then all its clients count as one address. Said once.",
        )


class _RequestNames:
    """A random prefix for some requests, which are counted: randomness costs a system call."""

    def __init__(self, randomness: Randomness) -> None:
        self._randomness = randomness
        self._prefix, self._count = "", _REQUESTS_OF_ONE_PREFIX

    def new(self) -> str:
        self._count += 1
        # A new prefix now and then: the count alone would tell each client how many others ask.
        if self._count > _REQUESTS_OF_ONE_PREFIX:
            self._prefix, self._count = new_request_id(self._randomness), 1
        return f"{self._prefix}.{self._count}"


def request_id(given: str) -> str:
    """What a proxy of ours calls the request; empty when it is none: it could forge lines of the log."""
    return given if _REQUEST_ID_FORM.fullmatch(given) else ""


def new_request_id(randomness: Randomness) -> str:
    return token_urlsafe(randomness, _ID_BYTES)


def method_label(method: str) -> str:
    """Clients may invent methods; labels of metrics are not for them to make."""
    return method if method in _KNOWN_METHODS else "OTHER"


def route_pattern(request: web.Request) -> str:
    """The pattern that matched. The raw path is not logged: it may hold one-time values."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"
