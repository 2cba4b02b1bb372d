"""The login as a browser sees it."""

from yarl import URL

from tests.bff.agent import NAVIGATION, SCRIPT, Agent


async def test_a_login_ends_signed_in_at_the_address_it_was_started_for(agent: Agent) -> None:
    browser = await agent.browser()

    answer = await browser.log_in(query="?redirect=/devices%23list")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/devices#list")
    userinfo = await browser.call("GET", "/userinfo")
    assert userinfo.json()["sub"] == "alice"


async def test_a_navigation_is_redirected_and_a_script_gets_the_address(agent: Agent) -> None:
    browser = await agent.browser()

    by_navigation = await browser.client.get("/login/start", headers=NAVIGATION)
    by_curl = await browser.client.get("/login/start")
    by_script = await browser.client.get("/login/start", headers=SCRIPT)

    assert (by_navigation.status_code, by_curl.status_code, by_script.status_code) == (302, 302, 200)
    assert URL(by_script.json()["authorization_request_url"]).path == "/authorize"
