"""Back buttons, double clicks, many tabs, late and lost transactions: no dead ends and no loops."""

import asyncio

import pytest

from bff.login.transaction import LIFETIME, MOST_AT_ONCE
from tests.bff.agent import Agent, Browser
from tests.bff.logins import FAILURE, counted, is_signed_in, leads_to_provider, set_cookies
from tests.fakes.waiting import until


async def come_back_from(browser: Browser, agent: Agent, location: str) -> str:
    answer = await browser.come_back(agent.issuer.authorize(location))
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def cookie_bytes(browser: Browser) -> int:
    return sum(len(f"{name}={value}; ") for name, value in browser.client.cookies.items())


async def test_the_back_button_goes_into_the_app(agent: Agent) -> None:
    browser = await agent.browser()
    callback = agent.issuer.authorize(await browser.start_login("?redirect=/devices"))
    await browser.come_back(callback)
    session = browser.session_cookie

    again = [await browser.come_back(callback) for _ in range(3)]

    assert {answer.headers["Location"] for answer in again} == {"/"}
    assert browser.session_cookie == session
    assert len(agent.issuer.token_requests) == 1


async def test_a_replayed_callback_whose_cookie_was_kept_goes_where_it_was_meant_to(agent: Agent) -> None:
    browser = await agent.browser()
    callback = agent.issuer.authorize(await browser.start_login("?redirect=/devices"))
    kept = dict(browser.client.cookies)
    await browser.come_back(callback)
    for name, value in kept.items():
        browser.client.cookies.set(name, value)

    answer = await browser.come_back(callback)

    assert (answer.status_code, answer.headers["Location"]) == (302, "/devices")
    assert len(agent.issuer.token_requests) == 1


async def test_a_replay_by_whoever_copied_the_cookie_redeems_nothing(agent: Agent) -> None:
    browser = await agent.browser()
    callback = agent.issuer.authorize(await browser.start_login())
    thief = await agent.browser(**dict(browser.client.cookies))
    await browser.come_back(callback)

    answer = await thief.come_back(callback)

    assert leads_to_provider(answer, agent.issuer)
    assert counted(agent, "restarted_replayed") == 1
    assert len(agent.issuer.token_requests) == 1
    assert not await is_signed_in(thief)


async def test_two_callbacks_at_once_redeem_the_code_once(agent: Agent) -> None:
    browser = await agent.browser()
    callback = agent.issuer.authorize(await browser.start_login("?redirect=/devices"))
    agent.issuer.token_gate = asyncio.Event()
    first = asyncio.create_task(browser.come_back(callback))
    await until(lambda: len(agent.issuer.token_requests) == 1)

    second = await browser.come_back(callback)
    agent.issuer.token_gate.set()

    assert leads_to_provider(second, agent.issuer)
    assert (await first).headers["Location"] == "/devices"
    assert await come_back_from(browser, agent, second.headers["Location"]) == "/devices"
    assert len(agent.issuer.token_requests) == 2


async def test_two_tabs_log_in_in_any_order_and_each_ends_where_it_began(agent: Agent) -> None:
    browser = await agent.browser()
    first = await browser.start_login("?redirect=/first")
    second = await browser.start_login("?redirect=/second")

    assert await come_back_from(browser, agent, second) == "/second"
    assert await come_back_from(browser, agent, first) == "/first"
    assert browser.login_cookies() == []


async def test_a_double_click_starts_two_logins_and_both_work(agent: Agent) -> None:
    browser = await agent.browser()
    first, second = await asyncio.gather(browser.start_login(), browser.start_login())

    assert first != second
    assert await come_back_from(browser, agent, first) == "/"
    assert await come_back_from(browser, agent, second) == "/"


async def test_a_bookmarked_callback_starts_a_login_that_works(agent: Agent) -> None:
    old = await agent.browser()
    bookmark = agent.issuer.authorize(await old.start_login("?redirect=/devices"))
    await old.come_back(bookmark)
    agent.clock.advance(days=3)

    browser = await agent.browser()
    answer = await browser.come_back(bookmark)

    assert leads_to_provider(answer, agent.issuer)
    assert await come_back_from(browser, agent, answer.headers["Location"]) == "/"
    assert await is_signed_in(browser)


async def test_sixty_tabs_one_after_the_other_leave_five_transactions(agent: Agent) -> None:
    browser = await agent.browser()
    locations = []
    for _ in range(60):
        agent.clock.advance(seconds=1)
        locations.append(await browser.start_login())

    assert len(browser.login_cookies()) == MOST_AT_ONCE
    assert cookie_bytes(browser) < 2500
    # The youngest five are those that still work.
    for location in locations[-MOST_AT_ONCE:]:
        assert await come_back_from(browser, agent, location) == "/"
    assert browser.login_cookies() == []


async def test_sixty_tabs_at_once_do_not_lock_the_browser_out(agent: Agent) -> None:
    browser = await agent.browser()
    locations = await asyncio.gather(*(browser.start_login() for _ in range(60)))
    piled_up = len(browser.login_cookies())

    ended = await come_back_from(browser, agent, locations[-1])

    assert piled_up > MOST_AT_ONCE
    assert ended == "/"
    assert await is_signed_in(browser)
    assert len(browser.login_cookies()) <= MOST_AT_ONCE
    assert cookie_bytes(browser) < 2500


async def test_the_longest_addresses_fit_into_cookies_that_browsers_keep(agent: Agent) -> None:
    browser = await agent.browser()
    longest = f"?redirect=/{'r' * 1023}&failure=/{'f' * 1023}&acr_values={'x' * 256}&max_age=300"
    for _ in range(7):
        agent.clock.advance(seconds=1)
        await browser.start_login(longest)

    # RFC 6265bis section 5.6: a browser drops what is longer than 4096 bytes.
    assert all(len(f"{name}{value}") < 4096 for name, value in browser.client.cookies.items())
    assert (await browser.call("GET", "/session")).status_code == 200


async def test_cookies_that_cannot_be_read_are_swept_away_and_no_others(agent: Agent) -> None:
    junk = {f"doorward_login_{number:032x}": "junk" for number in range(8)}
    browser = await agent.browser(**junk, doorward_login_planted="x", other="x")

    answer = await browser.navigate("/login/start")

    dropped = [name for name, morsel in set_cookies(answer).items() if not morsel.value]
    assert sorted(dropped) == sorted(junk)


async def test_a_transaction_that_is_too_old_redeems_nothing_and_starts_the_login_once_more(
    agent: Agent,
) -> None:
    browser = await agent.browser()
    in_time = agent.issuer.authorize(await browser.start_login("?redirect=/in-time"))
    agent.clock.advance(seconds=1)
    late = agent.issuer.authorize(await browser.start_login("?redirect=/late"))
    agent.clock.advance(seconds=LIFETIME.total_seconds() - 2)
    answer_in_time = await browser.come_back(in_time)
    await browser.call("POST", "/logout")
    agent.clock.advance(seconds=2)
    answer_late = await browser.come_back(late)

    assert answer_in_time.headers["Location"] == "/in-time"
    assert leads_to_provider(answer_late, agent.issuer)
    assert counted(agent, "restarted_no_transaction") == 1
    assert len(agent.issuer.token_requests) == 1


async def test_a_late_callback_with_a_session_goes_into_the_app(agent: Agent) -> None:
    browser = await agent.signed_in()
    callback = agent.issuer.authorize(await browser.start_login("?redirect=/late"))
    agent.clock.advance(minutes=11)

    answer = await browser.come_back(callback)

    assert answer.headers["Location"] == "/"
    assert await is_signed_in(browser)


async def test_a_browser_that_keeps_no_cookies_is_told_so_instead_of_sent_round(agent: Agent) -> None:
    browser = await agent.browser()

    async def forgetful(callback: dict[str, str]) -> tuple[int, str, str]:
        browser.client.cookies.clear()
        answer = await browser.come_back(callback)
        return answer.status_code, answer.headers.get("Location", ""), answer.text

    status, location, _ = await forgetful(agent.issuer.authorize(await browser.start_login()))
    assert status == 302
    status, _, text = await forgetful(agent.issuer.authorize(location))

    assert status == 403
    assert "cookie" in text
    assert agent.issuer.token_requests == []


@pytest.mark.parametrize("failure", ["", FAILURE])
async def test_a_provider_that_refuses_every_code_is_tried_once_more_and_not_for_ever(
    agent: Agent, failure: str
) -> None:
    browser = await agent.browser()
    agent.issuer.broken(token="invalid_grant")

    first = await browser.log_in(query=failure)
    second = await browser.come_back(agent.issuer.authorize(first.headers["Location"]))

    assert leads_to_provider(first, agent.issuer)
    if failure:
        assert second.headers["Location"] == "/failed?error=login_failed"
    else:
        assert second.status_code == 403
    assert counted(agent, "code_refused") == 1
    assert len(agent.issuer.token_requests) == 2


async def test_a_login_that_was_started_once_more_keeps_where_it_should_end(agent: Agent) -> None:
    browser = await agent.browser()
    agent.issuer.broken(token="invalid_grant")
    first = await browser.log_in(query="?redirect=/devices&failure=/failed&max_age=60&acr_values=gold")
    agent.issuer.broken(token=False)
    agent.issuer.id_token_overrides = {"acr": "gold"}

    assert "max_age=60" in first.headers["Location"]
    assert "acr_values=gold" in first.headers["Location"]
    assert await come_back_from(browser, agent, first.headers["Location"]) == "/devices"


async def test_a_crafted_state_that_looks_restarted_only_stops_itself(agent: Agent) -> None:
    browser = await agent.signed_in()
    stranger = await agent.browser()

    with_session = await browser.come_back({"state": "r.x", "code": "x"})
    without = await stranger.come_back({"state": "r.x", "code": "x"})

    assert with_session.headers["Location"] == "/"
    assert without.status_code == 403
    assert await is_signed_in(browser)
