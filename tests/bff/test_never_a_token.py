"""No response of the public listener, and no log line or metric, contains a byte of a token.

Every route is walked, signed in and signed out, before and after a refresh, and all that was said is searched
for every token that the provider ever gave out, for the cookie, the code verifier and the client secret.
"""

import json
import re

import httpx
import pytest
from aiohttp import web
from yarl import URL

from tests.bff.agent import NAVIGATION, SCRIPT, SESSION_COOKIE, Agent, Browser, run_agent

SHORTEST_SECRET = 16


def secrets_of(agent: Agent) -> set[str]:
    """Every secret that the provider or the client used, and the parts of JWTs."""
    given: set[str] = set(agent.issuer.tokens_given)
    for form in agent.issuer.token_requests:
        given |= {form[name] for name in ("code", "code_verifier", "refresh_token") if name in form}
    given.add(agent.issuer.client_secret or "")
    parts = {part for token in given for part in token.split(".")}
    return {secret for secret in given | parts if len(secret) >= SHORTEST_SECRET}


def visible_parts(answer: httpx.Response) -> str:
    """All of an answer but the cookie that it sets, which is the browser's own secret."""
    lines = [f"{name}: {value}" for name, value in answer.headers.multi_items()]
    return "\n".join([*(line for line in lines if SESSION_COOKIE not in line), answer.text])


async def walk(agent: Agent, browser: Browser) -> list[httpx.Response]:
    """Every route, by script and by navigation. The end of the session comes last."""
    answers: list[httpx.Response] = []
    routes = sorted(
        ((route.method, route.resource.canonical) for route in agent.app.router.routes() if route.resource),
        key=lambda row: ("logout" in row[1], row),
    )
    for method, pattern in routes:
        path = re.sub(r"\{path\}|\{path:[^}]*\}", "v1/things", pattern).replace("{ticket}", "made-up")
        for headers in (SCRIPT, NAVIGATION):
            verb = "GET" if method == "*" else method
            answers.append(
                await browser.client.request(verb, path, headers={**headers, "Sec-Fetch-Site": "same-origin"})
            )
    return answers


async def test_no_answer_of_any_route_contains_a_byte_of_a_token(
    agent: Agent, capsys: pytest.CaptureFixture[str]
) -> None:
    agent.backend.answer_body = b"nothing"
    signed_out = await walk(agent, await agent.browser())
    browser = await agent.browser()
    login = await browser.log_in()
    cookie = browser.session_cookie or ""
    signed_in = await walk(agent, browser)
    answers = [*signed_out, login, *signed_in]
    said = "\n".join(visible_parts(answer) for answer in answers)
    metrics = (await browser.client.get(f"{agent.private_url}/metrics")).text
    output = capsys.readouterr()
    kept_quiet = said + metrics + output.out + output.err

    secrets = secrets_of(agent)
    assert len(secrets) > 8
    assert {answer.status_code for answer in signed_in} >= {200, 204, 302, 303}
    for secret in secrets | {cookie}:
        assert secret not in kept_quiet


async def test_the_one_place_where_a_token_stands_is_the_way_to_the_provider(agent: Agent) -> None:
    browser = await agent.signed_in()
    path = (await browser.call("POST", "/logout")).json()["logout_url"]

    answer = await browser.navigate(path)

    hint = URL(answer.headers["Location"]).query["id_token_hint"]
    assert hint in secrets_of(agent)
    assert answer.text == ""
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_the_walk_would_see_a_token(agent: Agent) -> None:
    """The same search over an answer that does hold one."""
    browser = await agent.signed_in()
    await browser.call("GET", "/api/v1/things")
    bearer = agent.backend.seen[-1].values("Authorization")[0].removeprefix("Bearer ")

    leaking = httpx.Response(200, json={"access_token": bearer})

    assert any(secret in visible_parts(leaking) for secret in secrets_of(agent))


async def test_what_the_store_holds_opens_nothing(agent: Agent) -> None:
    """A dump of the store: no token can be read and no cookie derived."""
    browser = await agent.signed_in()
    dump = repr(vars(agent.parts.sessions.store))

    assert "alice" in dump
    for secret in secrets_of(agent) | {browser.session_cookie or ""}:
        assert secret not in dump


async def test_an_unexpected_error_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    async with run_agent() as agent:

        async def explode(request: web.Request) -> web.Response:
            raise RuntimeError(f"the cookie was {request.headers['Cookie']}")

        browser = await agent.signed_in()
        agent.app._router._frozen = False  # noqa: SLF001 - only a running app can be made to fail like this
        agent.app.router.add_get("/explode", explode)

        answer = await browser.call("GET", "/explode")

        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        output = capsys.readouterr()
        assert "unexpected_error" in output.out
        for text in (answer.text, json.dumps(dict(answer.headers)), output.out, output.err):
            assert (browser.session_cookie or "?") not in text
