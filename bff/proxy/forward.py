"""Forwarding: the request streamed up, the answer streamed down. The only file that talks to an upstream."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import aiohttp
import structlog
from aiohttp import web
from yarl import URL

from bff.access import not_signed_in
from bff.proxy.deadline import Deadline
from bff.proxy.headers import request_headers, response_headers
from bff.proxy.paths import refusal_of
from bff.session.live import MOST_PER_SESSION, LiveConnections, TooManyConnectionsError
from bff.session.record import SessionKey
from bff.settings import Settings
from common.problems import ProblemCode, ProblemError
from common.request_keys import CLIENT_ADDRESS, REQUEST_ID

ANSWER_TIME_S = 60.0
_CONNECT_TIME_S = 5.0
_FIRST_FINAL_STATUS, _LAST_STATUS = 200, 599

log = structlog.get_logger(__name__)


def open_upstream_client() -> aiohttp.ClientSession:
    """Keeps no cookies, follows nothing, decompresses nothing: what comes is what is passed on."""
    return aiohttp.ClientSession(
        # No limit here: it would be shared, and whoever filled it with streams would shut out everybody.
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None, connect=_CONNECT_TIME_S, sock_read=None),
        trust_env=False,
    )


@dataclass(frozen=True)
class Forwarder:
    settings: Settings
    client: aiohttp.ClientSession
    live: LiveConnections
    is_our_cookie: Callable[[str], bool]

    async def forward(
        self, request: web.Request, *, authorization: str, mount: str, session: SessionKey | None
    ) -> web.StreamResponse:
        """Forward below `BACKEND`, without the `mount` that the route stands under.

        `session` is whose end also ends this answer, however long it streams.
        """
        url = self._upstream_url(request, mount)
        exchange = _Exchange(request, Deadline(ANSWER_TIME_S))
        # Held from before the request is sent: an answer that begins after the logout must not come through.
        with self._closed_with(session, exchange.deadline):
            try:
                async with exchange.deadline, await self._send(exchange, url, authorization) as upstream:
                    return await self._answer(exchange, upstream)
            except (TimeoutError, aiohttp.ClientError) as error:
                return exchange.broken_off(error)

    def _upstream_url(self, request: web.Request, mount: str) -> URL:
        target = request.raw_path
        refusal = refusal_of(target, mount)
        if refusal is not None:
            detail = "The path has a spelling that could mean another path behind the door."
            raise ProblemError(ProblemCode.BAD_REQUEST, detail, cause=refusal)
        # TRACE answers with what it was asked, bearer included; CONNECT asks for a tunnel.
        if request.method in {"TRACE", "CONNECT"}:
            raise ProblemError(ProblemCode.METHOD_NOT_ALLOWED, f"{request.method} does not pass this door.")
        if "Upgrade" in request.headers:
            detail = "WebSockets and other upgrades do not pass this door yet."
            raise ProblemError(ProblemCode.UPGRADE_NOT_SUPPORTED, detail)
        return URL(self.settings.backend + target.removeprefix(mount), encoded=True)

    async def _send(self, exchange: "_Exchange", url: URL, authorization: str) -> aiohttp.ClientResponse:
        request = exchange.request
        headers = request_headers(
            request.headers.items(), self._added_headers(request, authorization), self.is_our_cookie
        )
        body = exchange.uploaded() if request.can_read_body else None
        return await self.client.request(
            request.method, url, headers=headers, data=body, allow_redirects=False
        )

    def _added_headers(self, request: web.Request, authorization: str) -> list[tuple[str, str]]:
        public = URL(self.settings.public_url)
        return [
            ("Authorization", authorization),
            ("X-Forwarded-For", request[CLIENT_ADDRESS]),
            ("X-Forwarded-Proto", public.scheme),
            ("X-Forwarded-Host", public.authority),
            ("X-Request-Id", request[REQUEST_ID]),
        ]

    async def _answer(self, exchange: "_Exchange", upstream: aiohttp.ClientResponse) -> web.StreamResponse:
        if not _FIRST_FINAL_STATUS <= upstream.status <= _LAST_STATUS:
            # An upgrade that nobody asked for would turn the connection into something else.
            detail = "The service gave an answer that cannot be passed on."
            raise ProblemError(ProblemCode.UPSTREAM_UNAVAILABLE, detail, cause="odd_status")
        headers = response_headers(upstream.headers.items(), self.is_our_cookie)
        headers["X-Request-Id"] = exchange.request[REQUEST_ID]
        response = web.StreamResponse(status=upstream.status, reason=upstream.reason, headers=headers)
        exchange.response = response
        exchange.deadline.pause()
        await response.prepare(exchange.request)
        async for chunk in upstream.content.iter_any():
            # A client that does not read for so long is gone, and holds a connection behind the door.
            exchange.deadline.resume()
            await response.write(chunk)
            exchange.deadline.pause()
        await response.write_eof()
        return response

    @contextmanager
    def _closed_with(self, session: SessionKey | None, deadline: Deadline) -> Iterator[None]:
        if session is None:
            yield
            return
        try:
            with self.live.held(session, deadline.cut):
                yield
        except TooManyConnectionsError as error:
            detail = f"This session has {MOST_PER_SESSION} requests under way: wait until one ends."
            raise ProblemError(ProblemCode.TOO_MANY_REQUESTS, detail, retry_after_s=1) from error


@dataclass
class _Exchange:
    """One request and its answer on their way."""

    request: web.Request
    deadline: Deadline
    response: web.StreamResponse | None = None

    async def uploaded(self) -> AsyncIterator[bytes]:
        """The body as it comes; each piece is progress."""
        async for chunk in self.request.content.iter_any():
            self.deadline.restart()
            yield chunk

    def broken_off(self, error: Exception) -> web.StreamResponse:
        """Raises the problem while there is nothing of an answer yet; cuts the connection afterwards.

        A clean end would make half an answer look whole.
        """
        if self.response is None or not self.response.prepared:
            raise _problem(error, self.deadline) from error
        log.info("answer_cut", request_id=self.request[REQUEST_ID], cause=type(error).__name__)
        if self.request.transport is not None:
            self.request.transport.abort()
        return self.response


def _problem(error: Exception, deadline: Deadline) -> ProblemError:
    if deadline.is_cut:
        return not_signed_in()
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
        detail = f"There was no progress for {ANSWER_TIME_S:.0f} seconds."
        return ProblemError(ProblemCode.UPSTREAM_TIMEOUT, detail)
    detail = "The service cannot be reached at the moment."
    cause = type(error).__name__
    return ProblemError(ProblemCode.UPSTREAM_UNAVAILABLE, detail, cause=cause, retry_after_s=5)
