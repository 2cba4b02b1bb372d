"""A hundred clients do whatever they like, and so does the service: nobody gets what is not theirs."""

import asyncio
import os
import re
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bff.dataplane.door import DataPlane, Door, open_door
from tests.bff.dataplane.plans import (
    REQUESTS,
    AnswerPlan,
    RequestPlan,
    answer_bytes,
    body_of,
    pieces_of,
    planned,
    request_bytes,
)
from tests.fakes.raw_connection import EndedError
from tests.fakes.waiting import until
from tests.raw_client import Answer, RawClient

# About twelve seconds for each form; DIFFERENTIAL_EXAMPLES=5000 for a night.
EXAMPLES = int(os.environ.get("DIFFERENTIAL_EXAMPLES", "20"))
USERS = ("alice", "bob", "carol")
CLIENTS = 100
LONGEST_S = 20.0

SCRIPTS = st.lists(st.lists(REQUESTS, min_size=1, max_size=4), min_size=1, max_size=10)


@dataclass
class Visitor:
    """One client that does a script of requests, one after the other, on as few connections as it can."""

    door: Door
    cookies: list[str]
    number: int
    client: RawClient | None = None

    async def run(self, script: list[RequestPlan]) -> None:
        for step, plan in enumerate(script):
            await self._request(plan, f"{self.number}.{step}")
        if self.client is not None:
            self.client.cut()

    async def _request(self, plan: RequestPlan, name: str) -> None:
        if self.client is None or self.client.is_closed.is_set() or self.client.unread:
            self.client = await self.door.connect()
        client = self.client
        start = self.door.head(f"{plan.method} /api/x", cookie=self.cookies[plan.user])[:-2]
        raw = request_bytes(plan, name, start)
        leaves_at = plan.leaves_at if plan.leaves_at is not None and plan.leaves_at < len(raw) else None
        sending = asyncio.create_task(self._send(client, raw[:leaves_at], plan.piece))
        try:
            if leaves_at is not None:
                await self._leave(client, sending, name)
                return
            answer = await client.answer(to=plan.method)
        except EndedError as ended:
            self.client = None
            assert_may_end(plan, name, ended.rest)
            return
        except TimeoutError as silence:
            told = f"nothing more came after {bytes(client.received[-300:])!r}"
            raise AssertionError(f"{plan} hangs: {told}") from silence
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        assert_is(answer, plan, name)
        if answer.head.values("Connection") == ["close"] or not is_sent_whole(plan):
            client.cut()
            self.client = None

    async def _leave(self, client: RawClient, sending: asyncio.Task[None], name: str) -> None:
        await asyncio.gather(sending, return_exceptions=True)
        client.cut()
        self.client = None
        assert markers(client.unread) <= {name}, "bytes of somebody else's answer"

    async def _send(self, client: RawClient, raw: bytes, piece: int) -> None:
        for part in pieces_of(raw, piece):
            await client.send_all(part)
            await asyncio.sleep(0)


def is_sent_whole(plan: RequestPlan) -> bool:
    return not plan.answer.is_early


def assert_is(answer: Answer, plan: RequestPlan, name: str) -> None:
    """What the model says of an answer that came whole."""
    expected = plan.answer
    if answer.status == 502:
        assert broken_in(plan, name) == "head", (plan, answer)
        assert b"upstream_unavailable" in answer.body or plan.method == "HEAD"
        return
    assert answer.status == expected.status, (plan, answer)
    assert answer.head.value("Echo-Id") == name, "somebody else's answer"
    assert answer.head.value("Echo-User") == USERS[plan.user], "somebody else's bearer"
    has_body = plan.method != "HEAD" and expected.status not in {204, 304}
    assert answer.body == (body_of(name, expected.size) if has_body else b"")
    assert broken_in(plan, name) is None, "half an answer that looks whole"


def assert_may_end(plan: RequestPlan, name: str, rest: bytes) -> None:
    """A connection that was cut: only because the service's was, and with nobody else's bytes on it."""
    assert broken_in(plan, name) == "body", (plan, rest)
    assert markers(rest) <= {name}, "bytes of somebody else's answer"


def markers(data: bytes) -> set[str]:
    """The names in the bytes of bodies."""
    return {found.decode() for found in re.findall(rb"<(\d+\.\d+)>", data)}


def broken_in(plan: RequestPlan, name: str) -> str | None:
    """Where the service breaks off its answer: in the head, in the body, or not at all."""
    expected: AnswerPlan = plan.answer
    raw = answer_bytes(expected, name, USERS[plan.user], is_for_head=plan.method == "HEAD")
    if expected.breaks_at is None or expected.breaks_at >= len(raw):
        return None
    interim = len(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n") * expected.interim
    head_end = raw.find(b"\r\n\r\n", interim) + 4
    return "head" if expected.breaks_at < head_end else "body"


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(scripts=SCRIPTS)
async def test_every_answer_is_the_clients_own_or_none(
    data_plane: DataPlane, scripts: list[list[RequestPlan]]
) -> None:
    async with open_door(data_plane, planned) as door:
        cookies = [(await door.agent.signed_in(user)).session_cookie or "" for user in USERS]
        visitors = [Visitor(door, cookies, number) for number in range(CLIENTS)]

        async with asyncio.timeout(LONGEST_S), asyncio.TaskGroup() as running:
            for visitor in visitors:
                running.create_task(visitor.run(scripts[visitor.number % len(scripts)]))

        await until(lambda: door.agent.parts.sessions.live.sessions() == [])
