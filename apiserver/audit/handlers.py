"""The audit events of a tenant over HTTP, for its administrators."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import msgspec
import structlog
from aiohttp import hdrs, web

from apiserver.answers import json_answer
from apiserver.audit.answers import (
    AuditEventList,
    AuditExportQuery,
    AuditQuery,
    AuditVerification,
    checkpoints_of,
    event_answer,
    verdict_answer,
)
from apiserver.audit.chain import AuditEvent
from apiserver.audit.reading import walk
from apiserver.audit.turns import Turns
from apiserver.audit.verification import ChainVerification
from apiserver.auth.access import MEMBER
from apiserver.bodies import read_body, read_query
from apiserver.pages import Cursors, Listing
from apiserver.paging import after_of, page_of
from apiserver.storage.contracts import Storage
from apiserver.storage.records import AuditPage
from apiserver.tenants.acting import Acting
from apiserver.tenants.personal import tenant_meant
from apiserver.tenants.tenants import TenantId
from apiserver.texts import InvalidValueError, in_utc
from common.problems import ProblemCode, ProblemError
from common.request_keys import REQUEST_ID

NDJSON = "application/x-ndjson"

_EXPORTED_AT_ONCE = 100
# Whoever does not read what they asked for makes the server hold what is being sent.
_MOST_EXPORTS = 3
_BUSY = "You have three exports under way. Try again when one of them is done."
_PIECE_BYTES = 64 * 1024

log = structlog.get_logger(__name__)
_lines = msgspec.json.Encoder()


@dataclass(frozen=True)
class AuditHandlers:
    storage: Storage
    cursors: Cursors
    verification: ChainVerification
    _exports: Turns = field(default_factory=lambda: Turns(_MOST_EXPORTS, _BUSY), init=False)

    async def show(self, request: web.Request) -> web.Response:
        query, acting = read_query(request, AuditQuery), request[MEMBER].acting
        limit = query.limit
        tenant_id = await tenant_meant(self.storage, query.tenant_id, acting)
        listing = _listing(query, tenant_id)
        after = after_of(self.cursors, query.cursor, listing)
        page = _page(query, tenant_id, limit=limit + 1, before_seq=None if after is None else int(after))
        found: list[AuditEvent] = []
        async with aclosing(walk(self.storage, page, acting)) as batches:
            async for batch in batches:
                found += batch
                if len(found) > limit:
                    break
        shown, next_cursor = page_of(self.cursors, listing, found, limit, lambda event: str(event.seq))
        return json_answer(AuditEventList([event_answer(event) for event in shown], next_cursor))

    async def export(self, request: web.Request) -> web.StreamResponse:
        """All at once, the oldest first, a line each. Nothing is held but the batch that is being sent."""
        query, acting = read_query(request, AuditExportQuery), request[MEMBER].acting
        tenant_id = await tenant_meant(self.storage, query.tenant_id, acting)
        page = _page(query, tenant_id, limit=_EXPORTED_AT_ONCE, is_newest_first=False)
        # Also of what acts for the user: however many service tokens somebody makes, the turns are the same.
        with self._exports.taken(acting.user_id):
            return await self._exported(request, page, acting)

    async def _exported(self, request: web.Request, page: AuditPage, acting: Acting) -> web.StreamResponse:
        async with aclosing(walk(self.storage, page, acting)) as batches:
            # Refusals come before the first byte.
            first = await anext(batches)
            response = web.StreamResponse(headers=_export_headers(page.tenant_id))
            await response.prepare(request)
            if request.method != hdrs.METH_HEAD:
                await _send(request, response, first, batches)
        return response

    async def verify(self, request: web.Request) -> web.Response:
        body, acting = await read_body(request, AuditVerification), request[MEMBER].acting
        tenant_id = await tenant_meant(self.storage, body.tenant_id, acting)
        verdict = await self.verification.verify(tenant_id, checkpoints_of(body), acting)
        return json_answer(verdict_answer(verdict))


async def _send(
    request: web.Request,
    response: web.StreamResponse,
    first: Sequence[AuditEvent],
    batches: AsyncGenerator[Sequence[AuditEvent], None],
) -> None:
    try:
        await _write(response, first)
        async for batch in batches:
            await _write(response, batch)
        await response.write_eof()
    except ConnectionResetError:
        log.info("audit_export_left", request_id=request[REQUEST_ID])
    except ProblemError as problem:
        log.warning("audit_export_cut", request_id=request[REQUEST_ID], code=problem.code)
        # Without its end: a part must not pass for the whole.
        if request.transport is not None:
            request.transport.abort()


async def _write(response: web.StreamResponse, events: Sequence[AuditEvent]) -> None:
    """In pieces, each of which waits until the client has read: a single event can have some 30 KB."""
    piece = bytearray()
    for event in events:
        piece += _lines.encode_lines([event_answer(event)])
        if len(piece) >= _PIECE_BYTES:
            await response.write(bytes(piece))
            piece.clear()
    if piece:
        await response.write(bytes(piece))


def _export_headers(tenant_id: TenantId) -> dict[str, str]:
    return {
        hdrs.CONTENT_TYPE: NDJSON,
        hdrs.CONTENT_DISPOSITION: f'attachment; filename="audit-{tenant_id}.ndjson"',
    }


def _page(
    query: AuditExportQuery,
    tenant_id: TenantId,
    *,
    limit: int,
    is_newest_first: bool = True,
    before_seq: int | None = None,
) -> AuditPage:
    try:
        since, until = in_utc(query.since), in_utc(query.until)
    except InvalidValueError as error:
        raise ProblemError(ProblemCode.BAD_REQUEST, error.detail) from None
    return AuditPage(
        tenant_id=tenant_id,
        limit=limit,
        is_newest_first=is_newest_first,
        actor_id=query.actor_id,
        action=query.action,
        target_id=query.target_id,
        since=since,
        until=until,
        before_seq=before_seq,
    )


def _listing(query: AuditQuery, tenant_id: TenantId) -> Listing:
    return Listing(
        "audit-events",
        "-seq",
        {
            "tenant_id": tenant_id,
            "actor_id": query.actor_id,
            "action": query.action,
            "target_id": query.target_id,
            "since": None if query.since is None else query.since.isoformat(),
            "until": None if query.until is None else query.until.isoformat(),
        },
    )
