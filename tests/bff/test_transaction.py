"""Login transactions: sealed, named by their state, good for ten minutes, and for nothing else."""

from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from bff.login.transaction import (
    LIFETIME,
    MOST_AT_ONCE,
    LoginTransaction,
    TransactionCookies,
    is_restart,
    new_transaction,
    state_id,
    step_up_asked,
)
from bff.session.seal import Sealer
from common.randomness import SystemRandomness
from tests.bff.agent import Agent
from tests.bff.logins import is_signed_in, leads_to_provider
from tests.fakes.clock import FakeClock

KEY = bytes(range(32))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def cookies_of(clock: FakeClock, *keys: bytes, is_secure: bool = False) -> TransactionCookies:
    return TransactionCookies(Sealer(keys or (KEY,), SystemRandomness()), clock, is_secure)


def a_transaction(clock: FakeClock, **asked: str) -> LoginTransaction:
    return new_transaction(
        SystemRandomness(), clock.now(), return_to="/devices", failure_to=None, asked=asked
    )


def added(cookies: TransactionCookies, transaction: LoginTransaction, jar: dict[str, str]) -> None:
    """What a browser holds after this transaction began."""
    response = web.Response()
    cookies.add(request_with(jar), response, transaction)
    kept(response, jar)


def kept(response: web.StreamResponse, jar: dict[str, str]) -> None:
    for name, morsel in response.cookies.items():
        if morsel.value:
            jar[name] = morsel.value
        else:
            jar.pop(name, None)


def request_with(jar: dict[str, str]) -> web.Request:
    header = "; ".join(f"{name}={value}" for name, value in jar.items())
    return make_mocked_request("GET", "/", headers={"Cookie": header})


def test_what_was_added_is_found_by_its_state(clock: FakeClock) -> None:
    cookies, transaction = cookies_of(clock), a_transaction(clock, max_age="60", acr_values="gold")
    jar: dict[str, str] = {}
    added(cookies, transaction, jar)

    assert cookies.find(request_with(jar), transaction.state) == transaction
    assert (transaction.max_age_s, transaction.acr_values) == (60, "gold")


def test_the_cookie_shows_neither_state_nor_nonce_nor_verifier_nor_address(clock: FakeClock) -> None:
    cookies, transaction = cookies_of(clock), a_transaction(clock)
    jar: dict[str, str] = {}
    added(cookies, transaction, jar)

    for secret in (transaction.state, transaction.nonce, transaction.verifier, "/devices"):
        assert secret not in str(jar)
        assert secret not in repr(transaction)


def test_it_ends_after_ten_minutes_whatever_the_browser_keeps(clock: FakeClock) -> None:
    cookies, transaction = cookies_of(clock), a_transaction(clock)
    jar: dict[str, str] = {}
    added(cookies, transaction, jar)

    clock.advance(seconds=LIFETIME.total_seconds() - 1)
    assert cookies.find(request_with(jar), transaction.state) is not None
    clock.advance(seconds=1)
    assert cookies.find(request_with(jar), transaction.state) is None
    assert timedelta(minutes=10) == LIFETIME


def test_the_cookie_of_one_state_is_not_found_under_another(clock: FakeClock) -> None:
    cookies = cookies_of(clock)
    jar: dict[str, str] = {}
    mine, thiefs = a_transaction(clock), a_transaction(clock)
    added(cookies, mine, jar)
    added(cookies, thiefs, jar)
    name_of_mine, name_of_thiefs = (cookies.name_prefix + state_id(t.state) for t in (mine, thiefs))

    jar[name_of_mine] = jar[name_of_thiefs]

    assert cookies.find(request_with(jar), mine.state) is None
    assert cookies.find(request_with(jar), thiefs.state) == thiefs


@pytest.mark.parametrize("position", [0, 10, 30, -1])
def test_a_changed_cookie_is_no_transaction(clock: FakeClock, position: int) -> None:
    cookies, transaction = cookies_of(clock), a_transaction(clock)
    jar: dict[str, str] = {}
    added(cookies, transaction, jar)
    [(name, value)] = jar.items()
    letters = list(value)
    letters[position] = "A" if letters[position] != "A" else "B"

    assert cookies.find(request_with({name: "".join(letters)}), transaction.state) is None


@pytest.mark.parametrize("value", ["", "x", "====", "A" * 400, "é", "%"])
def test_junk_is_no_transaction(clock: FakeClock, value: str) -> None:
    cookies, transaction = cookies_of(clock), a_transaction(clock)
    name = cookies.name_prefix + state_id(transaction.state)

    assert cookies.find(request_with({name: value}), transaction.state) is None


def test_another_kind_of_sealed_value_is_no_transaction(clock: FakeClock) -> None:
    cookies, transaction = cookies_of(clock), a_transaction(clock)
    jar: dict[str, str] = {}
    added(
        TransactionCookies(OtherPurpose((KEY,), SystemRandomness()), clock, is_secure=False), transaction, jar
    )

    assert cookies.find(request_with(jar), transaction.state) is None


class OtherPurpose(Sealer):
    def seal(self, purpose: str, secret: str, content: bytes) -> bytes:
        return super().seal(f"another-than-{purpose}", secret, content)


def test_what_an_older_release_sealed_in_another_form_is_no_transaction(clock: FakeClock) -> None:
    cookies, transaction = cookies_of(clock), a_transaction(clock)
    jar: dict[str, str] = {}
    added(TransactionCookies(OtherForm((KEY,), SystemRandomness()), clock, is_secure=False), transaction, jar)

    assert cookies.find(request_with(jar), transaction.state) is None


class OtherForm(Sealer):
    def seal(self, purpose: str, secret: str, content: bytes) -> bytes:
        return super().seal(purpose, secret, b"\x93" + content[:3])


def test_a_rotated_key_still_opens_and_a_lost_key_does_not(clock: FakeClock) -> None:
    old_key, new_key = KEY, KEY[::-1]
    transaction = a_transaction(clock)
    jar: dict[str, str] = {}
    added(cookies_of(clock, old_key), transaction, jar)

    assert cookies_of(clock, new_key, old_key).find(request_with(jar), transaction.state) == transaction
    assert cookies_of(clock, new_key).find(request_with(jar), transaction.state) is None


def test_at_most_five_are_kept_and_the_oldest_go_first(clock: FakeClock) -> None:
    cookies = cookies_of(clock)
    jar: dict[str, str] = {}
    transactions = []
    for _ in range(8):
        clock.advance(seconds=1)
        transactions.append(a_transaction(clock))
        added(cookies, transactions[-1], jar)

    assert len(jar) == MOST_AT_ONCE == 5
    found = [cookies.find(request_with(jar), transaction.state) for transaction in transactions]
    assert found == [None] * 3 + transactions[3:]


def test_the_end_of_one_drops_it_and_what_piled_up_but_no_others(clock: FakeClock) -> None:
    cookies = cookies_of(clock)
    jar: dict[str, str] = {}
    transactions = []
    for _ in range(7):
        # Each in a response of its own, as tabs that start together get them: nobody knows of the others.
        clock.advance(seconds=1)
        transactions.append(a_transaction(clock))
        alone: dict[str, str] = {}
        added(cookies, transactions[-1], alone)
        jar |= alone

    response = web.Response()
    cookies.drop(request_with(jar), response, transactions[4].state)
    kept(response, jar)

    found = [cookies.find(request_with(jar), transaction.state) is not None for transaction in transactions]
    assert found == [False, False, True, True, False, True, True]


def test_only_cookies_of_this_kind_are_ours(clock: FakeClock) -> None:
    cookies, secure = cookies_of(clock), cookies_of(clock, is_secure=True)

    assert cookies.is_ours("doorward_login_x")
    assert not cookies.is_ours("my_doorward_login_x")
    assert secure.is_ours("__Host-doorward_login_x")
    # Without the prefix any neighbouring host could have set it.
    assert not secure.is_ours("doorward_login_x")


def test_only_a_login_that_we_started_again_says_so(clock: FakeClock) -> None:
    again = new_transaction(
        SystemRandomness(), clock.now(), return_to="/", failure_to=None, asked={}, is_restart=True
    )

    assert is_restart(again.state)
    assert not is_restart(a_transaction(clock).state)


@pytest.mark.parametrize(
    "asked", [{}, {"max_age": "0"}, {"acr_values": "a b"}, {"max_age": "9", "acr_values": "a"}]
)
def test_a_login_that_is_started_again_asks_for_the_same_step_up(
    clock: FakeClock, asked: dict[str, str]
) -> None:
    assert step_up_asked(a_transaction(clock, **asked)) == asked


async def test_a_transaction_cookie_is_no_session(agent: Agent) -> None:
    browser = await agent.browser()
    location = await browser.start_login()
    [name] = browser.login_cookies()
    value = browser.client.cookies[name]

    other = await agent.browser(doorward_session=value)

    assert not await is_signed_in(other)
    assert location


async def test_a_transaction_cookie_under_another_name_does_not_sign_in(agent: Agent) -> None:
    thief, victim = await agent.browser(), await agent.browser()
    callback = agent.issuer.authorize(await thief.start_login(), sub="mallory")
    [name_of_thiefs] = thief.login_cookies()
    await victim.start_login()
    [name_of_victims] = victim.login_cookies()
    victim.client.cookies.clear()
    victim.client.cookies.set(name_of_victims, thief.client.cookies[name_of_thiefs])

    answer = await victim.come_back(callback)

    assert leads_to_provider(answer, agent.issuer)
    assert agent.issuer.token_requests == []
