"""Two OpenID providers that tests log in at: the development provider in this process, and a certified one.

Both are given the redirect URIs of the application under test and serve the same clients and users. `log_in`
fills in the login page of either as a browser would.
"""

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import httpx
from aiohttp import web

from common.clock import Clock, SystemClock
from common.randomness import SystemRandomness
from deploy.provider.app import build_provider
from deploy.provider.config import check_config

NODE_PROVIDER = Path(__file__).parents[1] / "provider"
STARTS_WITHIN_S = 20
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True)
class ProviderUser:
    username: str
    password: str
    name: str
    email: str


ALICE = ProviderUser("alice", "wonderland-7", "Alice Liddell", "alice@example.com")
BOB = ProviderUser("bob", "builder-13", "Bob Bauer", "bob@example.com")
ADMIN = ProviderUser("admin", "overseer-21", "Ada Admin", "admin@example.com")


@dataclass(frozen=True)
class RunningProvider:
    """Where a provider answers and who is known there.

    `resource` is what a client may send as the RFC 8707 parameter to get tokens for `audience`.
    """

    issuer: str
    web_client_id: str = "doorward-web"
    web_client_secret: str = "web-secret-of-the-tests"
    cli_client_id: str = "doorward-cli"
    audience: str = "doorward-api"
    resource: str = "doorward-api"
    users: tuple[ProviderUser, ...] = (ALICE, BOB, ADMIN)


@asynccontextmanager
async def development_provider(
    redirect_uris: list[str],
    *,
    post_logout_redirect_uris: list[str] | None = None,
    backchannel_logout_uri: str | None = None,
    clock: Clock | None = None,
    changes: Mapping[str, object] | None = None,
    port: int = 0,
) -> AsyncIterator[RunningProvider]:
    """Our own provider in this process, by default on a free port, with `changes` to its configuration."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        port = listener.getsockname()[1]
        provider = RunningProvider(issuer=f"http://127.0.0.1:{port}")
        web_client = {
            "client_id": provider.web_client_id,
            "client_secret": provider.web_client_secret,
            "redirect_uris": redirect_uris,
            "post_logout_redirect_uris": post_logout_redirect_uris or [],
            "backchannel_logout_uri": backchannel_logout_uri,
        }
        cli_client = {"client_id": provider.cli_client_id, "grant_types": [DEVICE_CODE, "refresh_token"]}
        content = {
            "issuer": provider.issuer,
            "listen": f"127.0.0.1:{port}",
            "audience": provider.audience,
            "clients": [web_client, cli_client],
            "users": [vars(user) for user in provider.users],
            **(changes or {}),
        }
        app = build_provider(
            check_config(content), clock=clock or SystemClock(), randomness=SystemRandomness()
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        try:
            yield provider
        finally:
            await runner.cleanup()


def _why_no_certified_provider() -> str | None:
    """What is missing for `certified_provider`, as a sentence, or None."""
    if shutil.which("node") is None:
        return "Node.js is not installed."
    if not (NODE_PROVIDER / "node_modules" / "oidc-provider").is_dir():
        return "The packages of tests/provider are not installed: run `npm ci` there."
    return None


@asynccontextmanager
async def certified_provider(
    redirect_uris: list[str],
    *,
    post_logout_redirect_uris: list[str] | None = None,
) -> AsyncIterator[RunningProvider]:
    """The npm package oidc-provider in a process of its own, on a free port. Raises RuntimeError."""
    if missing := _why_no_certified_provider():
        raise RuntimeError(missing)
    port = _free_port()
    provider = RunningProvider(issuer=f"http://127.0.0.1:{port}", resource="urn:doorward:api")
    content = {
        "port": port,
        "audience": provider.audience,
        "resource": provider.resource,
        "web": {
            "client_id": provider.web_client_id,
            "client_secret": provider.web_client_secret,
            "redirect_uris": redirect_uris,
            "post_logout_redirect_uris": post_logout_redirect_uris or [],
        },
        "cli": {"client_id": provider.cli_client_id},
        "users": [vars(user) for user in provider.users],
    }
    process = await asyncio.create_subprocess_exec(
        *("node", "serve.mjs", json.dumps(content)),
        cwd=NODE_PROVIDER,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    # Read all the time: a process whose pipe is full stands still.
    errors = asyncio.create_task(process.stderr.read())
    try:
        await _wait_until_it_answers(provider.issuer, process)
        yield provider
    except BaseException as error:
        await _stop(process)
        error.add_note(f"oidc-provider wrote to stderr:\n{(await errors).decode(errors='replace')}")
        raise
    finally:
        await _stop(process)
        await errors


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def _wait_until_it_answers(issuer: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(STARTS_WITHIN_S), httpx.AsyncClient(verify=False) as http:
        while process.returncode is None:
            with suppress(httpx.TransportError):
                response = await http.get(f"{issuer}/.well-known/openid-configuration")
                if response.is_success:
                    return
            await asyncio.sleep(0.02)
    message = f"oidc-provider ended with exit code {process.returncode}."
    raise RuntimeError(message)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


class _Form(HTMLParser):
    """The first form of a page, with the fields that a browser would send by itself."""

    def __init__(self, page: httpx.Response) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.feed(page.text)
        assert self.action is not None, f"no form in the page:\n{page.text}"

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        if tag == "form" and self.action is None:
            self.action = values.get("action", "")
        if tag == "input" and "name" in values:
            self.fields[values["name"]] = values.get("value", "")


async def submit(browser: httpx.AsyncClient, page: httpx.Response, **fields: str) -> httpx.Response:
    """Send the form of `page` with `fields` filled in; the answer, not followed."""
    form = _Form(page)
    target = urljoin(str(page.url), form.action)
    return await browser.post(target, data={**form.fields, **fields}, follow_redirects=False)


async def follow_to(browser: httpx.AsyncClient, response: httpx.Response, stop: str) -> httpx.Response:
    """Follow redirects until there is none, or until one leads to an address that begins with `stop`."""
    while response.has_redirect_location:
        address = urljoin(str(response.url), response.headers["Location"])
        if address.startswith(stop):
            return response
        response = await browser.get(address, follow_redirects=False)
    return response


async def log_in(
    browser: httpx.AsyncClient, authorization_url: str, user: ProviderUser, redirect_uri: str
) -> httpx.Response:
    """Go through a provider's login page; the redirect back to `redirect_uri`, not followed."""
    response = await browser.get(authorization_url, follow_redirects=False)
    page = await follow_to(browser, response, redirect_uri)
    if page.has_redirect_location:
        return page
    response = await submit(browser, page, username=user.username, password=user.password)
    return await follow_to(browser, response, redirect_uri)
