"""Back-channel logout and time: how old a token may be, and which sessions it cannot have meant."""

from typing import Any

import pytest

from tests.bff.agent import Agent
from tests.bff.backchannel import refused, send, signed_in
from tests.bff.logins import is_signed_in
from tests.fakes.issuer import ABSENT

LEEWAY_S = 30
HOUR_S = 3600


async def test_a_token_that_was_made_for_longer_is_not_believed_in_its_last_hour_either(agent: Agent) -> None:
    provider = await agent.browser()
    token = agent.issuer.logout_token(exp=agent.issuer.now() + 2 * HOUR_S)

    early = await send(provider, token)
    agent.clock.advance(seconds=1.5 * HOUR_S)
    late = await send(provider, token)

    assert (early.status_code, late.status_code) == (400, 400)
    assert refused(agent, "lifetime") == 2


@pytest.mark.parametrize(
    ("named", "login"),
    [
        pytest.param({}, {"sid": "alice-1"}, id="sub alone"),
        pytest.param({"sid": "alice-1"}, {"sid": ABSENT}, id="a login without sid"),
    ],
)
async def test_a_session_that_began_after_the_logout_is_not_meant(
    agent: Agent, named: dict[str, Any], login: dict[str, Any]
) -> None:
    """Without this, a token that is sent once more would log out whoever has signed in again."""
    provider = await agent.browser()
    token = agent.issuer.logout_token("alice", exp=agent.issuer.now() + HOUR_S, **named)
    before = await signed_in(agent, "alice", **login)
    agent.clock.advance(seconds=LEEWAY_S)
    at_once = await signed_in(agent, "alice", **login)
    agent.clock.advance(seconds=1)
    after = await signed_in(agent, "alice", **login)

    answer = await send(provider, token)

    assert answer.status_code == 200
    assert [await is_signed_in(browser) for browser in (before, at_once, after)] == [False, False, True]


@pytest.mark.parametrize("sub", ["alice", ABSENT])
async def test_a_session_of_the_very_login_is_meant_however_late_it_began(agent: Agent, sub: Any) -> None:
    """Its code was redeemed late: the login that it came from has ended all the same."""
    provider = await agent.browser()
    token = agent.issuer.logout_token(sub, sid="alice-1", exp=agent.issuer.now() + HOUR_S)
    agent.clock.advance(seconds=LEEWAY_S + 1)
    browser = await signed_in(agent, "alice", sid="alice-1")

    await send(provider, token)

    assert not await is_signed_in(browser)
