"""The same exchange over aiohttp's server: the form to fall back on (`DATA_PLANE=aiohttp`)."""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from multidict import CIMultiDict

from bff.proxy.body import LAST_CHUNK, chunk
from bff.proxy.door import Door
from bff.proxy.exchange import Exchange
from bff.proxy.headers import answer_lines, default_lines, length_line
from bff.proxy.heads import CHUNKED, AnswerHead, BadHeadError, Fields, RequestHead
from bff.proxy.turn import reset, unsent
from common.problems import ProblemCode, ProblemError, problem_json
from common.request_keys import CALLER_LABEL, CLIENT_ADDRESS, REQUEST_ID, ROUTE_NAME, CallerLabel

_MOST_HELD = 64 * 1024
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class ProxyHandler:
    door: Door

    async def handle(self, request: web.Request) -> web.StreamResponse:
        try:
            head = head_of(request)
        except BadHeadError as error:
            return _unreadable(request, error)
        admitted = self.door.admission.look(head)
        if admitted is None:
            raise web.HTTPNotFound
        if admitted.is_upgrade:
            detail = "WebSockets pass with DATA_PLANE=protocols."
            raise ProblemError(ProblemCode.UPGRADE_NOT_SUPPORTED, detail)
        request[ROUTE_NAME] = admitted.route.name
        request[CALLER_LABEL] = CallerLabel("bearer" if admitted.mount.takes_bearers else "session")
        client = AiohttpClient(request, self.door.limits.unread_time_s)
        forwarded = b"%bX-Request-Id: %b\r\n" % (
            self.door.forwarded_lines(request[CLIENT_ADDRESS]),
            request[REQUEST_ID].encode(),
        )
        exchange = client.exchange = Exchange(self.door, client, head, admitted, forwarded)
        self.door.swept.add(exchange)
        uploading = self.door.tasks.start("upload", client.upload())
        try:
            exchange.start()
            return await client.answer()
        finally:
            uploading.cancel()
            exchange.abandon()
            self.door.swept.discard(exchange)


def head_of(request: web.Request) -> RequestHead:
    """What aiohttp's parser has read, as the data plane sees it. Raises `BadHeadError`."""
    fields = Fields()
    for name, value in request.raw_headers:
        fields.on_header(name, value)
    fields.check()
    target = request.raw_path.encode("utf-8", "surrogateescape")
    return RequestHead(request.method.encode(), target, fields, is_http_1_0=request.version < (1, 1))


def _unreadable(request: web.Request, error: BadHeadError) -> web.Response:
    """And the connection closes: what follows may be no request."""
    problem = ProblemError(ProblemCode.BAD_REQUEST, "The request cannot be understood.", cause=error.cause)
    response = problem_json(request, problem)
    response.force_close()
    return response


class AiohttpClient:
    """`exchange.Client` over one request of aiohttp's server. Interim answers do not get through it."""

    def __init__(self, request: web.Request, unread_time_s: float) -> None:
        self._request = request
        self._unread_time_s = unread_time_s
        self.exchange: Exchange
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._is_paused = False
        self._changed = asyncio.Event()
        self._may_upload = asyncio.Event()
        self._head: AnswerHead | None = None
        self._is_finished = False
        self._is_broken = False
        self._problem: ProblemError | None = None

    async def upload(self) -> None:
        """The body as it comes, framed again: aiohttp has taken its chunks apart."""
        await self._may_upload.wait()
        is_chunked = self.exchange.head.length == CHUNKED
        async for data in self._request.content.iter_any():
            await self._may_upload.wait()
            if data:
                self.exchange.take_body(chunk(data) if is_chunked else data)
        if is_chunked:
            self.exchange.take_body(LAST_CHUNK)

    async def answer(self) -> web.StreamResponse:
        """Raises `ProblemError` for what was refused."""
        await self._until(lambda: self._head is not None)
        response = self._prepared_response()
        await response.prepare(self._request)
        while not (self._is_finished and not self._pieces):
            await self._until(lambda: bool(self._pieces) or self._is_finished)
            if self._is_broken:
                return response
            await self._write_pieces(response)
        await response.write_eof()
        return response

    async def _until(self, is_there: Callable[[], bool]) -> None:
        while not is_there() and not self._is_broken:
            if self._problem is not None:
                raise self._problem
            self._changed.clear()
            await self._changed.wait()

    async def _write_pieces(self, response: web.StreamResponse) -> None:
        while self._pieces:
            piece = self._pieces.popleft()
            self._held -= len(piece)
            try:
                # The exchange may be over, and with it its deadlines, while the client reads nothing.
                async with asyncio.timeout(self._unread_time_s):
                    await response.write(piece)
            except TimeoutError:
                self.break_off()
                return
        if self._is_paused:
            self._is_paused = False
            self.exchange.resume_answer()

    def _prepared_response(self) -> web.StreamResponse:
        assert self._head is not None  # noqa: S101 - waited for
        answer, exchange = self._head, self.exchange
        lines = answer_lines(answer, exchange.admitted.mount.cookies)
        lines += default_lines(answer).splitlines(keepends=True)
        lines.append(length_line(answer, is_for_head=exchange.head.method == b"HEAD"))
        headers: CIMultiDict[str] = CIMultiDict()
        for line in lines:
            name, separator, value = line.rstrip(b"\r\n").partition(b": ")
            text = value.decode("utf-8", "surrogateescape")
            # aiohttp leaves such bytes out when it writes: a value would change on its way.
            if separator and not _SURROGATES.search(text):
                headers.add(name.decode(), text)
        headers["X-Request-Id"] = self._request[REQUEST_ID]
        reason = answer.reason.decode("latin-1")
        return web.StreamResponse(status=answer.status, reason=reason, headers=headers)

    # -- what the exchange says

    def refuse(self, problem: ProblemError) -> None:
        self._problem = problem
        self._changed.set()

    def finish(self) -> None:
        self._is_finished = True
        self._changed.set()

    def break_off(self) -> None:
        # At once: the answer may be waiting for a client that never reads.
        transport = self._request.transport
        if transport is not None and self.exchange.head.is_http_1_0:
            reset(transport)
        elif transport is not None:
            transport.abort()
        self._is_broken = True
        self._changed.set()

    def take_buffered(self) -> bytes:
        return b""

    def put_back(self, data: bytes) -> None:
        """Nothing is ever left over: aiohttp knows where a body ends."""

    def unsent(self) -> int:
        transport = self._request.transport
        return self._held + (0 if transport is None else unsent(transport))

    def send_continue(self) -> None:
        """Aiohttp has sent it."""

    def send_interim(self, answer: AnswerHead) -> None:
        """Aiohttp's server has no way to send one."""

    def send_switch(self, answer: AnswerHead) -> None:
        """Never comes: upgrades are refused before."""

    def send_head(self, answer: AnswerHead) -> None:
        self._head = answer
        self._changed.set()

    def send_data(self, data: bytes) -> None:
        if not data:
            return
        self._pieces.append(data)
        self._held += len(data)
        if self._held > _MOST_HELD and not self._is_paused:
            self._is_paused = True
            self.exchange.pause_answer()
        self._changed.set()

    def pause_upload(self) -> None:
        self._may_upload.clear()

    def resume_upload(self) -> None:
        self._may_upload.set()
