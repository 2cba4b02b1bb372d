"""Forwarding: the request streamed up, the answer streamed down. The only file that talks to an upstream."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import aiohttp
import structlog
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from bff.proxy.headers import request_headers, response_headers
from bff.proxy.paths import refusal_of
from bff.session.live import LiveConnections
from bff.session.record import SessionKey
from bff.settings import Settings
from common.problems import ProblemCode, ProblemError
from common.request_keys import CLIENT_ADDRESS, REQUEST_ID

ANSWER_TIME_S = 60.0
_CONNECT_TIME_S = 5.0
_MOST_CONNECTIONS = 1000
_BODILESS_STATUS = frozenset({204, 304})

log = structlog.get_logger(__name__)


def open_upstream_client() -> aiohttp.ClientSession:
    """Keeps no cookies, follows nothing, decompresses nothing: what comes is what is passed on."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_MOST_CONNECTIONS),
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
        try:
            upstream = await self._send(request, url, authorization)
        except TimeoutError as error:
            detail = f"There was no answer within {ANSWER_TIME_S:.0f} seconds."
            raise ProblemError(ProblemCode.UPSTREAM_TIMEOUT, detail) from error
        except aiohttp.ClientError as error:
            cause = type(error).__name__
            detail = "The service cannot be reached at the moment."
            raise ProblemError(
                ProblemCode.UPSTREAM_UNAVAILABLE, detail, cause=cause, retry_after_s=5
            ) from error
        async with upstream:
            return await self._answer(request, upstream, session)

    def _upstream_url(self, request: web.Request, mount: str) -> URL:
        target = request.raw_path
        refusal = refusal_of(target)
        if refusal is not None:
            detail = "The path has a spelling that could mean another path behind the door."
            raise ProblemError(ProblemCode.BAD_REQUEST, detail, cause=refusal)
        if "Upgrade" in request.headers:
            detail = "WebSockets and other upgrades do not pass this door yet."
            raise ProblemError(ProblemCode.UPGRADE_NOT_SUPPORTED, detail)
        return URL(self.settings.backend + target.removeprefix(mount), encoded=True)

    async def _send(self, request: web.Request, url: URL, authorization: str) -> aiohttp.ClientResponse:
        headers = request_headers(
            request.headers.items(), self._added_headers(request, authorization), self.is_our_cookie
        )
        body = request.content.iter_any() if request.can_read_body else None
        async with asyncio.timeout(ANSWER_TIME_S):
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

    async def _answer(
        self, request: web.Request, upstream: aiohttp.ClientResponse, session: SessionKey | None
    ) -> web.StreamResponse:
        headers = response_headers(upstream.headers.items(), self.is_our_cookie)
        headers["X-Request-Id"] = request[REQUEST_ID]
        response = _streamed(request, upstream, headers)
        try:
            async with asyncio.timeout(None) as limit:
                with self._closed_with(session, limit):
                    await response.prepare(request)
                    async for chunk in upstream.content.iter_any():
                        await response.write(chunk)
                    await response.write_eof()
        except (TimeoutError, aiohttp.ClientError) as error:
            # The head is out, so the only honest end is a broken connection: a clean one would make half
            # an answer look whole.
            log.info("answer_cut", request_id=request[REQUEST_ID], cause=type(error).__name__)
            if request.transport is not None:
                request.transport.abort()
        return response

    @contextmanager
    def _closed_with(self, session: SessionKey | None, limit: asyncio.Timeout) -> Iterator[None]:
        if session is None:
            yield
            return
        with self.live.held(session, lambda: limit.reschedule(asyncio.get_running_loop().time())):
            yield


def _streamed(
    request: web.Request, upstream: aiohttp.ClientResponse, headers: CIMultiDict[str]
) -> web.StreamResponse:
    response = web.StreamResponse(status=upstream.status, reason=upstream.reason, headers=headers)
    has_body = request.method != "HEAD" and upstream.status not in _BODILESS_STATUS
    if has_body and "Content-Length" not in headers:
        response.enable_chunked_encoding()
    return response
