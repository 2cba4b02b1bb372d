"""Logout: here at once, then at the provider, and the cookie opens nothing afterwards."""

import pytest
from yarl import URL

from tests.bff.agent import NAVIGATION, SESSION_COOKIE, Agent, run_agent
from tests.fakes.waiting import until


async def test_a_script_gets_a_path_of_ours_that_leads_to_the_provider_once(agent: Agent) -> None:
    browser = await agent.signed_in()

    answer = await browser.call("POST", "/logout")

    path = answer.json()["logout_url"]
    assert path.startswith("/logout/")
    first = await browser.navigate(path)
    location = URL(first.headers["Location"])
    assert (first.status_code, str(location.with_query(None))) == (303, f"{agent.issuer.url}/end-session")
    assert location.query["post_logout_redirect_uri"] == f"{agent.url}/"
    assert set(location.query) == {"id_token_hint", "client_id", "post_logout_redirect_uri", "state"}
    again = await browser.navigate(path)
    assert (again.status_code, again.headers["Location"]) == (303, "/")


async def test_a_form_is_redirected(agent: Agent) -> None:
    browser = await agent.signed_in()

    answer = await browser.client.post("/logout", headers={**NAVIGATION, "Sec-Fetch-Site": "same-origin"})

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/logout/")


async def test_the_old_cookie_opens_nothing(agent: Agent) -> None:
    browser = await agent.signed_in()
    thief = await agent.browser(**{SESSION_COOKIE: browser.session_cookie or ""})
    assert (await thief.call("GET", "/userinfo")).status_code == 200

    await browser.call("POST", "/logout")

    assert browser.session_cookie is None
    for path in ("/userinfo", "/claims", "/api/v1/things"):
        assert (await thief.call("GET", path)).status_code == 401
    assert (await thief.call("GET", "/session")).json()["logged_in"] is False


async def test_the_refresh_token_is_revoked_at_the_provider(agent: Agent) -> None:
    browser = await agent.signed_in()

    await browser.call("POST", "/logout")

    await until(lambda: bool(agent.issuer.revoked))
    assert len(agent.issuer.revoked) == 1


async def test_logging_out_twice_is_no_error(agent: Agent) -> None:
    browser = await agent.signed_in()
    await browser.call("POST", "/logout")

    answer = await browser.call("POST", "/logout")

    assert (answer.status_code, answer.json()) == (200, {"logout_url": "/"})


@pytest.mark.parametrize("site", ["same-origin", "same-site", "none"])
async def test_a_link_of_this_site_logs_out_by_get(agent: Agent, site: str) -> None:
    browser = await agent.signed_in()

    answer = await browser.navigate("/logout", **{"Sec-Fetch-Site": site})

    assert answer.status_code == 303
    assert (await browser.call("GET", "/session")).json()["logged_in"] is False


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site"}, id="link elsewhere"),
        pytest.param({"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "same-site"}, id="image tag"),
        pytest.param({}, id="no fetch metadata"),
    ],
)
async def test_other_gets_do_not_log_out(agent: Agent, headers: dict[str, str]) -> None:
    browser = await agent.signed_in()

    answer = await browser.client.get("/logout", headers=headers)

    assert answer.status_code == 403
    assert (await browser.call("GET", "/session")).json()["logged_in"] is True


async def test_a_script_cannot_follow_the_ticket_to_where_the_token_stands(agent: Agent) -> None:
    browser = await agent.signed_in()
    path = (await browser.call("POST", "/logout")).json()["logout_url"]

    refused = await browser.call("GET", path)

    assert refused.status_code == 403
    assert (await browser.navigate(path)).status_code == 303


async def test_a_prefetch_does_not_log_out(agent: Agent) -> None:
    browser = await agent.signed_in()

    answer = await browser.navigate("/logout", **{"Sec-Purpose": "prefetch"})

    assert answer.status_code == 403
    assert (await browser.call("GET", "/session")).json()["logged_in"] is True


async def test_an_unknown_ticket_leads_home(agent: Agent) -> None:
    browser = await agent.browser()

    answer = await browser.navigate("/logout/made-up")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


async def test_a_ticket_expires(agent: Agent) -> None:
    browser = await agent.signed_in()
    path = (await browser.call("POST", "/logout")).json()["logout_url"]

    agent.clock.advance(minutes=3)

    assert (await browser.navigate(path)).headers["Location"] == "/"


async def test_logout_goes_where_it_was_asked_to_and_nowhere_else(agent: Agent) -> None:
    browser = await agent.signed_in()

    refused = await browser.call("POST", "/logout?redirect=https://evil.example/")
    answer = await browser.call("POST", "/logout?redirect=/bye")

    assert (refused.status_code, refused.json()["code"]) == (400, "bad_redirect")
    location = URL((await browser.navigate(answer.json()["logout_url"])).headers["Location"])
    assert location.query["post_logout_redirect_uri"] == f"{agent.url}/bye"


async def test_a_provider_without_an_end_session_endpoint_is_left_alone() -> None:
    async with run_agent() as agent:
        agent.issuer.metadata_overrides = {"end_session_endpoint": None}
        browser = await agent.signed_in()

        answer = await browser.call("POST", "/logout?redirect=/bye")

        assert answer.json() == {"logout_url": "/bye"}


async def test_a_provider_that_is_away_does_not_stop_a_logout(agent: Agent) -> None:
    browser = await agent.signed_in()
    agent.issuer.broken(discovery=True, token=True, revocation=True)

    answer = await browser.call("POST", "/logout")

    assert answer.status_code == 200
    assert (await browser.call("GET", "/session")).json()["logged_in"] is False


async def test_below_a_prefix_the_ticket_is_below_it_too() -> None:
    async with run_agent(PREFIX="/web") as agent:
        browser = await agent.signed_in()

        answer = await browser.call("POST", "/web/logout")

        assert answer.json()["logout_url"].startswith("/web/logout/")
        assert (await browser.navigate(answer.json()["logout_url"])).status_code == 303
