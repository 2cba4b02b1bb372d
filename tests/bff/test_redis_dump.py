"""Somebody took a whole copy of Redis: it opens no session and names nobody."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bff.agent import SESSION_COOKIE, Agent, Browser
from tests.bff.test_redis_outage import COOKIE_KEY, agent_with
from tests.fakes.redis_servers import RedisServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    # Uncompressed, so that what is in the file can be searched for.
    with RedisServer.running(tmp_path, "rdbcompression no", "dbfilename dump.rdb") as running:
        yield running


def values(server: RedisServer) -> dict[bytes, bytes]:
    """All keys, each with what is under it, in the reader's own form of that type."""
    reading = {b"string": ("GET",), b"hash": ("HGETALL",), b"zset": ("ZRANGE",)}
    found = {}
    for key in server.command("KEYS", "*"):
        name = key.decode()
        [command] = reading[server.command("TYPE", name)]
        limits: tuple[int, ...] = (0, -1) if command == "ZRANGE" else ()
        found[key] = repr(server.command(command, name, *limits)).encode()
    return found


def rdb(server: RedisServer, tmp_path: Path) -> bytes:
    server.command("SAVE")
    [path] = tmp_path.rglob("dump.rdb")
    return path.read_bytes()


async def session_of_everybody(agent: Agent) -> tuple[Browser, list[str]]:
    """A browser that did everything that is stored, and what nobody may find of it."""
    browser = await agent.browser()
    browser.client.headers["User-Agent"] = "Browser-of-Alice/1.0"
    await browser.log_in("alice-the-subject")
    await browser.call("POST", "/refresh")
    leaving = await agent.signed_in("bob-the-subject")
    await leaving.call("POST", "/logout")  # its ticket, which holds an ID token, stays
    secrets = [
        *agent.issuer.tokens_given,
        browser.session_cookie or "",
        leaving.session_cookie or "",
        "alice-the-subject",
        "bob-the-subject",
        "Browser-of-Alice",
        agent.issuer.url,
        COOKIE_KEY,
    ]
    return browser, [secret for secret in secrets if secret]


async def test_no_token_no_cookie_and_no_name_is_in_a_dump(server: RedisServer, tmp_path: Path) -> None:
    async with agent_with(server.url) as agent:
        _, secrets = await session_of_everybody(agent)

        contents = [*values(server), *values(server).values(), rdb(server, tmp_path)]

        assert len(secrets) > 8
        found = {
            secret
            for secret in secrets
            for form in forms(secret)
            if any(form in content for content in contents)
        }
        assert found == set()


def forms(secret: str) -> list[bytes]:
    """The secret as it is, and the part of a JWT that says who somebody is."""
    parts = [secret, json.dumps(secret)[1:-1]]
    if secret.count(".") == 2:
        parts += secret.split(".")[1:]
    return [part.encode() for part in parts if len(part) > 6]


async def test_nothing_in_a_dump_is_a_cookie(server: RedisServer) -> None:
    async with agent_with(server.url) as agent:
        browser, _ = await session_of_everybody(agent)
        dump: dict[bytes, Any] = values(server)
        words = {
            word.decode()
            for text in (*dump, *dump.values())
            for word in re.findall(rb"[A-Za-z0-9_-]{16,}", text)
        }
        assert len(words) >= 6

        for word in sorted(words)[:200]:
            thief = await agent.browser(**{SESSION_COOKIE: word})
            assert (await thief.call("GET", "/session")).json()["logged_in"] is False

        assert (await browser.call("GET", "/session")).json()["logged_in"] is True
