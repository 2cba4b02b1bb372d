"""Each request has an id, one line in the log and one count; none of them holds what a client made up."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network
from re import fullmatch
from typing import Any

import httpx
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from common.env import Network
from common.metrics import RequestMetrics, metrics_response
from common.problems import problem_middleware
from common.randomness import SystemRandomness
from common.request_keys import (
    CALLER_LABEL,
    CLIENT_ADDRESS,
    IS_FROM_TRUSTED_PROXY,
    REQUEST_ID,
    CallerLabel,
)
from common.requests import RequestLog
from tests.common.server import serving
from tests.fakes.clock import FakeClock

LOOPBACK = (ip_network("127.0.0.0/8"),)


class Server:
    def __init__(self, trusted: tuple[Network, ...]) -> None:
        self.clock = FakeClock()
        self.registry = CollectorRegistry()
        metrics = RequestMetrics(self.registry)
        request_log = RequestLog(self.clock, SystemRandomness(), metrics, trusted)
        self.app = web.Application(middlewares=[request_log.middleware(), problem_middleware()])
        self.app.router.add_get("/things/{id}", self.show)
        self.app.router.add_get("/moved", self.moved)
        self.app.router.add_get("/broken", self.broken)

    async def show(self, request: web.Request) -> web.Response:
        self.clock.advance(milliseconds=250)
        request[CALLER_LABEL] = CallerLabel("device", "dev_1")
        return web.json_response(
            {
                "id": request[REQUEST_ID],
                "address": request[CLIENT_ADDRESS],
                "trusted": request[IS_FROM_TRUSTED_PROXY],
            }
        )

    async def moved(self, _request: web.Request) -> web.Response:
        raise web.HTTPFound("/things/1")

    async def broken(self, _request: web.Request) -> web.Response:
        raise ValueError

    def metrics(self) -> str:
        body = metrics_response(self.registry).body
        assert isinstance(body, bytes)
        return body.decode()


@asynccontextmanager
async def running(trusted: tuple[Network, ...] = ()) -> AsyncIterator[tuple[Server, httpx.AsyncClient]]:
    server = Server(trusted)
    async with serving(server.app) as client:
        yield server, client


def the_line(logs: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    [line] = [entry for entry in logs if entry["event"] == "request"]
    return line


async def test_one_line_says_who_asked_for_what_and_how_it_went() -> None:
    async with running() as (_, client):
        with capture_logs() as logs:
            answer = await client.get("/things/17?code=one-time", headers={"Authorization": "Bearer x"})

    assert the_line(logs) == {
        "event": "request",
        "log_level": "info",
        "request_id": answer.headers["X-Request-Id"],
        "method": "GET",
        "route": "/things/{id}",
        "status": 200,
        "ms": 250.0,
        "caller": "device",
        "caller_id": "dev_1",
        "address": "127.0.0.1",
    }


@pytest.mark.parametrize("path", ["/things/secret-17", "/nowhere/secret-17", "/moved?code=secret-17"])
async def test_neither_the_log_nor_the_metrics_hold_a_raw_path(path: str) -> None:
    async with running() as (server, client):
        with capture_logs() as logs:
            await client.get(path)
        metrics = server.metrics()

    assert "secret-17" not in repr(logs)
    assert "secret-17" not in metrics
    assert "http_requests_total" in metrics


async def test_methods_that_we_do_not_use_are_one_label() -> None:
    async with running() as (server, client):
        with capture_logs() as logs:
            await client.request("PROPFIND", "/things/1")
        metrics = server.metrics()

    assert the_line(logs)["method"] == "OTHER"
    assert 'method="OTHER"' in metrics
    assert "PROPFIND" not in metrics


@pytest.mark.parametrize(
    ("path", "status"), [("/things/1", 200), ("/moved", 302), ("/nowhere", 404), ("/broken", 500)]
)
async def test_every_answer_carries_the_id_of_its_line(path: str, status: int) -> None:
    async with running() as (_, client):
        with capture_logs() as logs:
            answer = await client.get(path)

    assert answer.status_code == status
    line = the_line(logs)
    assert (line["status"], line["request_id"]) == (status, answer.headers["X-Request-Id"])


async def test_two_requests_have_two_ids() -> None:
    async with running() as (_, client):
        ids = {(await client.get("/things/1")).headers["X-Request-Id"] for _ in range(3)}

    assert len(ids) == 3


async def test_a_proxy_of_ours_names_the_request_and_tells_the_address() -> None:
    headers = {"X-Request-Id": "edge-1", "X-Forwarded-For": "203.0.113.9"}
    async with running(LOOPBACK) as (_, client):
        answer = await client.get("/things/1", headers=headers)

    assert answer.json() == {"id": "edge-1", "address": "203.0.113.9", "trusted": True}


async def test_nobody_else_does() -> None:
    headers = {"X-Request-Id": "edge-1", "X-Forwarded-For": "203.0.113.9"}
    async with running() as (_, client):
        answer = await client.get("/things/1", headers=headers)

    assert answer.json()["id"] != "edge-1"
    assert (answer.json()["address"], answer.json()["trusted"]) == ("127.0.0.1", False)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("", id="empty"),
        pytest.param("x" * 65, id="too long"),
        pytest.param('"} {"event": "forged"', id="would look like another line"),
        pytest.param("a\tb", id="tab"),
    ],
)
async def test_an_odd_id_is_replaced_even_when_a_proxy_sends_it(given: str) -> None:
    async with running(LOOPBACK) as (_, client):
        answer = await client.get("/things/1", headers={"X-Request-Id": given})

    assert answer.json()["id"] != given
    assert fullmatch(r"[A-Za-z0-9_-]{16}\.\d+", answer.json()["id"])


async def test_a_proxy_that_is_not_trusted_is_told_of_once() -> None:
    async with running() as (_, client):
        with capture_logs() as logs:
            for _ in range(3):
                await client.get("/things/1", headers={"X-Forwarded-For": "203.0.113.9"})

    [warning] = [entry for entry in logs if entry["log_level"] == "warning"]
    assert (warning["event"], warning["peer"]) == ("untrusted_proxy", "127.0.0.1")
    assert "203.0.113.9" not in repr(warning)


@pytest.mark.parametrize(
    ("trusted", "headers"),
    [
        pytest.param(LOOPBACK, {"X-Forwarded-For": "203.0.113.9"}, id="trusted"),
        pytest.param((), {}, id="no proxy"),
    ],
)
async def test_nobody_is_warned_without_need(trusted: tuple[Network, ...], headers: dict[str, str]) -> None:
    async with running(trusted) as (_, client):
        with capture_logs() as logs:
            await client.get("/things/1", headers=headers)

    assert [entry["event"] for entry in logs] == ["request"]
