"""Writes that another site may have caused."""

import pytest

from bff.csrf import refusal_of
from tests.bff.agent import Agent

US = "https://app.example.com"

ROWS = [
    pytest.param({"Sec-Fetch-Site": "same-origin"}, None, id="same-origin by fetch metadata"),
    pytest.param({"Origin": US}, None, id="our origin, no fetch metadata"),
    pytest.param({"X-CSRF": "1"}, None, id="custom header alone"),
    pytest.param({}, "no_proof_of_origin", id="nothing at all"),
    pytest.param({"X-CSRF": "0"}, "no_proof_of_origin", id="wrong custom header"),
    pytest.param({"Sec-Fetch-Site": "same-site"}, "no_proof_of_origin", id="another host of the site"),
    pytest.param({"Sec-Fetch-Site": "none"}, "no_proof_of_origin", id="typed address"),
    pytest.param({"Origin": "https://evil.example"}, "foreign_origin", id="foreign origin"),
    pytest.param(
        {"Origin": "https://evil.example", "X-CSRF": "1"}, "foreign_origin", id="foreign with header"
    ),
    pytest.param(
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
        "foreign_origin",
        id="contradiction",
    ),
    pytest.param({"Origin": "null"}, "foreign_origin", id="sandboxed frame"),
    pytest.param({"Origin": ""}, "foreign_origin", id="empty origin"),
    pytest.param({"Sec-Fetch-Site": "cross-site", "X-CSRF": "1"}, "cross_site", id="cross-site with header"),
    pytest.param({"Origin": f"{US}.evil.example"}, "foreign_origin", id="suffix of our origin"),
    pytest.param({"Origin": "http://app.example.com"}, "foreign_origin", id="our host without TLS"),
    pytest.param({"Origin": f"{US}:8443"}, "foreign_origin", id="another port"),
]


@pytest.mark.parametrize(("headers", "refusal"), ROWS)
def test_unsafe_methods_are_judged_by_what_scripts_cannot_forge(
    headers: dict[str, str], refusal: str | None
) -> None:
    assert refusal_of("POST", headers, {US}) == refusal


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_safe_methods_are_not_judged(method: str) -> None:
    assert refusal_of(method, {"Origin": "https://evil.example"}, {US}) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "MKCOL"])
async def test_a_write_from_elsewhere_never_reaches_the_backend(agent: Agent, method: str) -> None:
    browser = await agent.signed_in()

    answer = await browser.client.request(
        method,
        "/api/v1/things",
        content="a=b",
        headers={"Content-Type": "text/plain", "Origin": "https://evil.example"},
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")
    assert agent.backend.seen == []


@pytest.mark.parametrize("path", ["/refresh", "/logout"])
async def test_our_own_writes_are_judged_too(agent: Agent, path: str) -> None:
    browser = await agent.signed_in()

    answer = await browser.client.post(path, headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403
    assert (await browser.call("GET", "/userinfo")).status_code == 200
