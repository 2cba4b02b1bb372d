"""`/login/end`: what a callback must bring, and in which order it is checked."""

import asyncio

import pytest
from yarl import URL

from tests.bff.agent import Agent, run_agent
from tests.bff.logins import FAILURE, counted, is_signed_in, leads_to_provider, set_cookies
from tests.fakes.issuer import FakeIssuer


async def test_a_callback_in_another_browser_redeems_nothing(agent: Agent) -> None:
    victim, thief = await agent.browser(), await agent.browser()
    callback = agent.issuer.authorize(await thief.start_login())

    answer = await victim.come_back(callback)

    assert agent.issuer.token_requests == []
    assert not await is_signed_in(victim)
    assert leads_to_provider(answer, agent.issuer)
    assert counted(agent, "restarted_no_transaction") == 1


async def test_a_callback_of_somebody_elses_login_leaves_my_session_alone(agent: Agent) -> None:
    victim, thief = await agent.signed_in("alice"), await agent.browser()
    redeemed = len(agent.issuer.token_requests)
    callback = agent.issuer.authorize(await thief.start_login(), sub="mallory")

    answer = await victim.come_back(callback)

    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert len(agent.issuer.token_requests) == redeemed
    assert (await victim.call("GET", "/userinfo")).json()["sub"] == "alice"


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param("x" * 43, id="made up"),
        pytest.param("ü/../\0", id="odd characters"),
    ],
)
async def test_a_wrong_state_is_found_before_the_code_is_sent(agent: Agent, state: str | None) -> None:
    browser = await agent.browser()
    callback = agent.issuer.authorize(await browser.start_login())
    del callback["state"]

    await browser.come_back(callback if state is None else {**callback, "state": state})

    assert agent.issuer.token_requests == []
    assert not await is_signed_in(browser)


async def test_the_state_of_another_tab_does_not_fit_to_this_tabs_code(agent: Agent) -> None:
    browser = await agent.browser()
    first = agent.issuer.authorize(await browser.start_login(FAILURE))
    second = agent.issuer.authorize(await browser.start_login(FAILURE))

    answer = await browser.come_back({**first, "code": second["code"]})

    # The provider refuses the code, since the verifier is that of the other login.
    assert leads_to_provider(answer, agent.issuer)
    assert not await is_signed_in(browser)


@pytest.mark.parametrize("name", ["state", "code", "iss", "error"])
async def test_a_parameter_that_comes_twice_is_refused(agent: Agent, name: str) -> None:
    browser = await agent.browser()
    callback = agent.issuer.authorize(await browser.start_login())
    twice = [*callback.items(), (name, callback.get(name, "x")), (name, callback.get(name, "x"))]

    answer = await browser.navigate(str(URL("/login/end").with_query(twice)))

    assert answer.status_code == 400
    assert agent.issuer.token_requests == []
    assert not await is_signed_in(browser)


@pytest.mark.parametrize("name", ["state", "code", "iss", "error"])
async def test_a_parameter_that_is_too_long_is_refused(agent: Agent, name: str) -> None:
    browser = await agent.browser()
    callback = agent.issuer.authorize(await browser.start_login())

    answer = await browser.come_back({**callback, name: "x" * 4097})

    assert answer.status_code == 400
    assert agent.issuer.token_requests == []


@pytest.mark.parametrize(
    ("iss", "cause"),
    [
        pytest.param("", "iss_mismatch", id="empty"),
        pytest.param("https://evil.example", "iss_mismatch", id="of another provider"),
        pytest.param("{}/", "iss_mismatch", id="slash at the end"),
        pytest.param("{}.evil.example", "iss_mismatch", id="ours as a part"),
        pytest.param(None, "iss_missing", id="absent where it is promised"),
    ],
)
async def test_an_answer_of_another_provider_is_not_redeemed_here(
    agent: Agent, iss: str | None, cause: str
) -> None:
    browser = await agent.browser()
    callback = agent.issuer.authorize(await browser.start_login(FAILURE))
    del callback["iss"]
    if iss is not None:
        callback["iss"] = iss.format(agent.issuer.url)

    answer = await browser.come_back(callback)

    assert answer.headers["Location"] == "/failed?error=login_failed"
    assert counted(agent, cause) == 1
    assert agent.issuer.token_requests == []
    assert not await is_signed_in(browser)


async def test_a_provider_that_promises_no_iss_may_leave_it_out_but_not_send_another() -> None:
    async with FakeIssuer.start() as issuer:
        issuer.metadata_overrides = {"authorization_response_iss_parameter_supported": False}
        async with run_agent(issuer) as agent:
            browser = await agent.browser()
            wrong = issuer.authorize(await browser.start_login(FAILURE)) | {"iss": "https://evil.example"}
            refused = await browser.come_back(wrong)
            absent = issuer.authorize(await browser.start_login("?redirect=/devices"))
            del absent["iss"]
            accepted = await browser.come_back(absent)

            assert refused.headers["Location"] == "/failed?error=login_failed"
            assert accepted.headers["Location"] == "/devices"
            assert await is_signed_in(browser)


async def test_a_code_reaches_the_provider_as_one_value(agent: Agent) -> None:
    browser = await agent.browser()
    callback = agent.issuer.authorize(await browser.start_login())
    code = "x&scope=admin&grant_type=refresh_token#?+%26=ü"

    await browser.come_back({**callback, "code": code})

    [request] = agent.issuer.token_requests
    assert request["code"] == code
    assert request["grant_type"] == "authorization_code"
    assert "scope" not in request


@pytest.mark.parametrize("code", [None, ""])
async def test_without_a_code_there_is_nothing_to_redeem(agent: Agent, code: str | None) -> None:
    browser = await agent.browser()
    callback = agent.issuer.authorize(await browser.start_login(FAILURE))
    del callback["code"]

    answer = await browser.come_back(callback if code is None else {**callback, "code": code})

    assert answer.headers["Location"] == "/failed?error=login_failed"
    assert counted(agent, "code_missing") == 1
    assert agent.issuer.token_requests == []


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ("access_denied", "access_denied"),
        ("login_required", "login_required"),
        ("interaction_required", "interaction_required"),
        ("consent_required", "consent_required"),
        ("temporarily_unavailable", "temporarily_unavailable"),
        ("server_error", "login_failed"),
        ("your_account_is_locked_call_555", "login_failed"),
        ("<script>", "login_failed"),
        ("", "login_failed"),
    ],
)
async def test_the_app_is_told_known_errors_and_no_words_of_a_crafted_link(
    agent: Agent, error: str, shown: str
) -> None:
    browser = await agent.browser()
    callback = agent.issuer.authorize(await browser.start_login(FAILURE))

    answer = await browser.come_back({**callback, "error": error, "error_description": "call 555"})

    assert (answer.status_code, answer.headers["Location"]) == (302, f"/failed?error={shown}")
    assert counted(agent, f"provider_said_{shown}") == 1
    assert agent.issuer.token_requests == []
    assert not await is_signed_in(browser)


async def test_without_a_failure_address_there_is_a_page_that_echoes_nothing(agent: Agent) -> None:
    browser = await agent.browser()
    callback = agent.issuer.authorize(await browser.start_login())
    words = {"error": "call_555", "error_description": "call 555", "error_uri": "https://evil.example"}

    answer = await browser.come_back({**callback, **words})

    assert answer.status_code == 403
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert 'href="/login/start"' in answer.text
    for word in (*words.values(), callback["code"], callback["state"]):
        assert word not in answer.text


async def test_a_script_gets_the_refusal_as_a_problem(agent: Agent) -> None:
    browser = await agent.browser()
    callback = agent.issuer.authorize(await browser.start_login())

    answer = await browser.call(
        "GET", str(URL("/login/end").with_query({**callback, "error": "access_denied"}))
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "login_failed")


async def test_an_error_without_its_state_ends_nothing(agent: Agent) -> None:
    browser = await agent.signed_in()

    answer = await browser.come_back({"error": "access_denied", "iss": agent.issuer.url})

    assert answer.headers["Location"] == "/"
    assert await is_signed_in(browser)


async def test_a_failed_login_drops_its_transaction(agent: Agent) -> None:
    browser = await agent.browser()
    callback = agent.issuer.authorize(await browser.start_login(FAILURE))

    answer = await browser.come_back({**callback, "error": "access_denied"})

    assert [morsel.value for morsel in set_cookies(answer).values()] == [""]
    assert browser.login_cookies() == []


@pytest.mark.parametrize(
    "target",
    [
        b"/login/end?state=%ff%fe&code=%ff",
        b"/login/end?state=%ed%a0%80&code=x",
        b"/login/end?state=%00&code=%00&iss=%00",
        b"/login/end?" + b"&".join(b"x%d=y" % number for number in range(300)),
        b"/login/end?%",
        b"/login/start?redirect=/%ff",
        b"/login/start?login_hint=%ed%a0%80",
    ],
)
async def test_odd_bytes_are_no_error_of_ours(agent: Agent, target: bytes) -> None:
    answer = await talk(agent, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert answer.startswith((b"HTTP/1.1 302", b"HTTP/1.1 400"))


@pytest.mark.parametrize("path", [b"/userinfo", b"/login/start", b"/login/end?state=x", b"/session"])
async def test_cookies_of_odd_bytes_are_like_no_cookies(agent: Agent, path: bytes) -> None:
    cookies = (
        b'doorward_session=\xff\xfe; doorward_login_\xff=\xff; doorward_login_x="\xe9"; =; doorward_login_='
    )
    head = b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: " + cookies + b"\r\n\r\n"

    answer = await talk(agent, head)

    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 302", b"HTTP/1.1 401"))


async def talk(agent: Agent, request: bytes) -> bytes:
    """The answer to bytes that no HTTP client would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(agent.url).port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer
