"""The access token is refreshed before it expires, once, and a refused grant ends the session."""

import asyncio
from datetime import timedelta

import pytest

from bff.session.grants import Grants
from bff.session.record import Tokens, session_key
from bff.session.refresh import LEASE_LIFETIME, SENT_LEASE_LIFETIME
from tests.bff.agent import SESSION_COOKIE, Agent, Browser, run_agent
from tests.fakes.issuer import ACCESS_TOKEN_LIFETIME_S
from tests.fakes.waiting import until


def refreshes(agent: Agent) -> int:
    return sum(form.get("grant_type") == "refresh_token" for form in agent.issuer.token_requests)


async def bearer(agent: Agent, browser: Browser) -> str:
    answer = await browser.call("GET", "/api/v1/things")
    assert answer.status_code == 200, answer.text
    return agent.backend.seen[-1].values("Authorization")[0]


async def test_a_token_that_is_not_due_is_left_alone(agent: Agent) -> None:
    browser = await agent.signed_in()
    agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S - 31)

    await bearer(agent, browser)

    assert refreshes(agent) == 0


async def test_a_due_token_that_lasts_goes_up_while_its_successor_is_fetched(agent: Agent) -> None:
    browser = await agent.signed_in()
    former = await bearer(agent, browser)
    agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S - 29)
    agent.issuer.token_gate = asyncio.Event()

    meanwhile = [await bearer(agent, browser) for _ in range(3)]
    agent.issuer.token_gate.set()

    assert set(meanwhile) == {former}
    await until_is_not(former, agent, browser)
    assert refreshes(agent) == 1


async def test_a_provider_that_fails_is_not_asked_by_every_request(agent: Agent) -> None:
    browser = await agent.signed_in()
    former = await bearer(agent, browser)
    agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S - 29)
    agent.issuer.broken(token=True)

    await bearer(agent, browser)
    await until(lambda: refreshes(agent) > 0)
    meanwhile = [await bearer(agent, browser) for _ in range(20)]

    assert set(meanwhile) == {former}
    assert refreshes(agent) == 1


async def until_is_not(former: str, agent: Agent, browser: Browser) -> None:
    async with asyncio.timeout(5):
        while await bearer(agent, browser) == former:
            pass


async def test_a_token_about_to_end_is_refreshed_before_it_is_used(agent: Agent) -> None:
    browser = await agent.signed_in()
    former = await bearer(agent, browser)
    agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S - 14)

    assert await bearer(agent, browser) != former
    assert refreshes(agent) == 1


async def test_many_requests_at_the_second_of_expiry_cause_one_refresh(agent: Agent) -> None:
    browser = await agent.signed_in()
    agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)
    agent.issuer.token_gate = asyncio.Event()

    requests = [asyncio.create_task(browser.call("GET", "/api/v1/things")) for _ in range(50)]
    await until(lambda: refreshes(agent) > 0)
    agent.issuer.token_gate.set()
    answers = await asyncio.gather(*requests)

    assert {answer.status_code for answer in answers} == {200}
    assert len({seen.values("Authorization")[0] for seen in agent.backend.seen}) == 1
    assert refreshes(agent) == 1


async def test_two_mounts_share_the_one_refresh() -> None:
    async with run_agent(PREFIX="/web") as agent:
        browser = await agent.signed_in()
        agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)

        answers = await asyncio.gather(
            browser.call("GET", "/api/v1/things"), browser.call("GET", "/web/api/v1/things")
        )

        assert [answer.status_code for answer in answers] == [200, 200]
        assert refreshes(agent) == 1
        assert {seen.target for seen in agent.backend.seen} == {"/api/v1/things"}


async def test_a_client_that_leaves_does_not_stop_the_refresh(agent: Agent) -> None:
    browser = await agent.signed_in()
    agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)
    agent.issuer.token_gate = asyncio.Event()
    leaving = asyncio.create_task(browser.call("GET", "/api/v1/things"))
    await until(lambda: refreshes(agent) > 0)

    leaving.cancel()
    await asyncio.wait([leaving])
    await asyncio.sleep(0)
    agent.issuer.token_gate.set()

    await bearer(agent, browser)
    assert refreshes(agent) == 1


async def test_refused_grant_ends_the_session(agent: Agent) -> None:
    browser = await agent.signed_in()
    agent.issuer.broken(token="invalid_grant")
    agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)

    answer = await browser.call("GET", "/api/v1/things")

    agent.issuer.broken(token=False)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
    assert (await browser.call("GET", "/session")).json()["logged_in"] is False


@pytest.mark.parametrize("fault", [True, "temporarily_unavailable", "invalid_client"])
async def test_a_provider_fault_keeps_the_session(agent: Agent, fault: bool | str) -> None:
    browser = await agent.signed_in()
    agent.issuer.broken(token=fault)
    agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)

    answer = await browser.call("GET", "/api/v1/things")

    assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")
    assert "Retry-After" in answer.headers
    agent.issuer.broken(token=False)
    assert (await browser.call("GET", "/api/v1/things")).status_code == 200


async def test_while_the_old_token_lasts_a_provider_fault_is_not_seen(agent: Agent) -> None:
    browser = await agent.signed_in()
    agent.issuer.broken(token=True)
    agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S - 5)

    assert (await browser.call("GET", "/api/v1/things")).status_code == 200


async def test_refresh_on_demand(agent: Agent) -> None:
    browser = await agent.signed_in()
    former = await bearer(agent, browser)

    answer = await browser.call("POST", "/refresh")

    assert (answer.status_code, answer.content) == (204, b"")
    assert await bearer(agent, browser) != former


async def test_without_a_refresh_token_the_session_ends_with_the_access_token(agent: Agent) -> None:
    agent.issuer.gives_refresh_tokens = False
    browser = await agent.signed_in()
    agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S - 10)
    while_it_lasts = await browser.call("GET", "/api/v1/things")
    agent.clock.advance(seconds=10)

    afterwards = await browser.call("GET", "/api/v1/things")

    assert (while_it_lasts.status_code, afterwards.status_code) == (200, 401)


async def test_a_refresh_that_cannot_be_is_refused_and_the_session_stays(agent: Agent) -> None:
    agent.issuer.gives_refresh_tokens = False
    browser = await agent.signed_in()

    answer = await browser.call("POST", "/refresh")

    assert (answer.status_code, answer.json()["code"]) == (409, "refresh_not_possible")
    assert (await browser.call("GET", "/userinfo")).status_code == 200


async def test_keys_that_cannot_be_fetched_after_a_rotation_end_no_session(agent: Agent) -> None:
    browser, other = await agent.signed_in(), await agent.signed_in("bob")
    agent.issuer.rotate_keys()
    agent.issuer.broken(jwks=True)
    agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)

    during = [await one.call("GET", "/api/v1/things") for one in (browser, other)]
    agent.issuer.broken(jwks=False)
    agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)
    after = [await one.call("GET", "/api/v1/things") for one in (browser, other)]

    assert {answer.status_code for answer in during + after} == {200}


async def test_a_slow_provider_is_not_waited_for_while_the_token_lasts(agent: Agent) -> None:
    browser = await agent.signed_in()
    agent.issuer.token_gate = asyncio.Event()
    agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S - 10)
    former = agent.issuer.tokens_given[0]

    used = await bearer(agent, browser)
    agent.issuer.token_gate.set()
    await until(lambda: len(agent.issuer.tokens_given) > 3)

    assert used == f"Bearer {former}"
    assert refreshes(agent) == 1


async def test_a_refreshed_id_token_of_another_person_ends_the_session(agent: Agent) -> None:
    browser = await agent.signed_in()
    agent.issuer.id_token_overrides = {"sub": "mallory"}

    answer = await browser.call("POST", "/refresh")

    assert answer.status_code == 401
    assert (await browser.call("GET", "/session")).json()["logged_in"] is False


async def test_a_logout_during_a_refresh_wins_and_the_new_token_is_revoked(agent: Agent) -> None:
    browser = await agent.signed_in()
    thief = await agent.browser(**{SESSION_COOKIE: browser.session_cookie or ""})
    agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)
    agent.issuer.token_gate = asyncio.Event()
    refreshing = asyncio.create_task(thief.call("GET", "/api/v1/things"))
    await until(lambda: refreshes(agent) > 0)

    # The logout's own revocation fails, so that the provider still answers the refresh.
    agent.issuer.broken(revocation=True)
    await browser.call("POST", "/logout")
    await until(lambda: all(task.get_name() != "revoke" for task in asyncio.all_tasks()))
    agent.issuer.broken(revocation=False)
    agent.issuer.token_gate.set()

    assert (await refreshing).status_code == 401
    assert (await thief.call("GET", "/session")).json()["logged_in"] is False
    await until(lambda: len(agent.issuer.revoked) == 1)


async def test_a_lease_that_has_sent_is_not_taken_over_in_a_short_outage(agent: Agent) -> None:
    """Whoever took it over would send a token that the provider may have rotated already."""
    browser = await agent.signed_in()
    agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)
    agent.issuer.token_gate = asyncio.Event()
    refreshing = asyncio.create_task(browser.call("GET", "/api/v1/things"))
    await until(lambda: refreshes(agent) > 0)
    agent.clock.advance(seconds=LEASE_LIFETIME.total_seconds() + 2)

    key = session_key(browser.session_cookie or "")
    taken = await agent.parts.sessions.store.take_lease(key, "another agent", LEASE_LIFETIME)
    agent.issuer.token_gate.set()

    assert taken is None
    assert (await refreshing).status_code == 200
    assert refreshes(agent) == 1


async def test_an_overtaken_holder_that_is_refused_ends_nothing(agent: Agent) -> None:
    """It was paused for longer than its lease; the token that the provider refuses is no longer in use."""
    browser = await agent.signed_in()
    agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)
    agent.issuer.token_gate = asyncio.Event()
    paused = asyncio.create_task(browser.call("GET", "/api/v1/things"))
    await until(lambda: refreshes(agent) > 0)
    agent.clock.advance(seconds=SENT_LEASE_LIFETIME.total_seconds())

    await refresh_elsewhere(agent, browser)
    agent.issuer.broken(token="invalid_grant")
    agent.issuer.token_gate.set()

    assert (await paused).status_code == 200
    assert agent.backend.seen[-1].values("Authorization") == ["Bearer from-elsewhere"]


async def refresh_elsewhere(agent: Agent, browser: Browser) -> None:
    sessions = agent.parts.sessions
    session = await sessions.find(browser.session_cookie)
    assert session is not None
    lease = await sessions.store.take_lease(session.key, "another agent", LEASE_LIFETIME)
    assert lease is not None
    now = agent.clock.now()
    expires_at = now + timedelta(seconds=ACCESS_TOKEN_LIFETIME_S)
    tokens = Tokens("from-elsewhere", now, expires_at, "from-elsewhere", "refresh-2", "id-token", Grants())
    assert await sessions.save_tokens(session, lease, tokens)


async def test_a_logout_that_the_refresh_hears_of_by_its_refusal_is_counted_once(agent: Agent) -> None:
    browser = await agent.signed_in()
    thief = await agent.browser(**{SESSION_COOKIE: browser.session_cookie or ""})
    agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)
    agent.issuer.token_gate = asyncio.Event()
    refreshing = asyncio.create_task(thief.call("GET", "/api/v1/things"))
    await until(lambda: refreshes(agent) > 0)

    await browser.call("POST", "/logout")
    await until(lambda: bool(agent.issuer.revoked))
    agent.issuer.token_gate.set()

    assert (await refreshing).status_code == 401
    assert ended(agent, "logout") == 1
    assert ended(agent, "grant_refused") == 0


def ended(agent: Agent, cause: str) -> float:
    return agent.parts.registry.get_sample_value("bff_sessions_ended_total", {"cause": cause}) or 0.0


async def test_a_shutdown_waits_for_a_refresh_that_nobody_waits_for(agent: Agent) -> None:
    browser = await agent.signed_in()
    agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)
    agent.issuer.token_gate = asyncio.Event()
    leaving = asyncio.create_task(browser.call("GET", "/api/v1/things"))
    await until(lambda: refreshes(agent) > 0)
    leaving.cancel()
    await asyncio.wait([leaving])

    closing = asyncio.create_task(agent.parts.tasks.close())
    await asyncio.sleep(0)
    agent.issuer.token_gate.set()
    await closing

    assert len(agent.issuer.tokens_given) == 6
    assert await bearer(agent, browser) == f"Bearer {agent.issuer.tokens_given[3]}"
    assert refreshes(agent) == 1
