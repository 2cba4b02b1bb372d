"""Who is refused for asking too often, and who never is: by address, by token, by owner."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from apiserver.exchange.token import GRANT_TYPE
from apiserver.settings import read_settings
from apiserver.tokens.secret import SecretKind, mint
from common.env import SettingsError
from common.randomness import SystemRandomness
from tests.apiserver.fleet import running_fleet
from tests.apiserver.machines import DEVICES, MY_DEVICE, Answer, Person, World, my_device
from tests.apiserver.server import AUDIENCE, ME, api_server, environment
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer
from tests.fakes.redis_servers import RedisServer

TOO_MANY = (429, "too_many_requests")
HERE, ELSEWHERE = "192.0.2.7", "192.0.2.8"


@asynccontextmanager
async def limited(database: Path, **settings: str) -> AsyncIterator[World]:
    """A server with these limits and no others, behind a proxy that tells addresses."""
    clock = FakeClock()
    rates = dict.fromkeys(("RATE_LIMIT_ADDRESS", "RATE_LIMIT_TOKEN", "RATE_LIMIT_OWNER"), "off")
    more = {**rates, "TRUSTED_PROXIES": "127.0.0.1/32", **settings}
    async with (
        FakeIssuer.start(audience=AUDIENCE, clock=clock) as issuer,
        api_server(issuer, database, clock, **more) as server,
    ):
        yield World(server, issuer, clock)


async def ask(world: World, bearer: str | None, path: str | URL = ME, address: str = HERE) -> Answer:
    return await world.call("GET", path, bearer, headers={"X-Forwarded-For": address})


async def device_of(person: Person, name: str = "web") -> str:
    """The token of a new device of this person."""
    return str((await person.register(name=name)).device()["device_token"])


def unknown_secret() -> str:
    """Well formed, and given out by nobody."""
    return mint(SecretKind.DEVICE, "0" * 22, SystemRandomness()).reveal()


async def flooded(world: World, budget: int) -> None:
    """`HERE` has used up what it has without a credential."""
    for _ in range(budget):
        assert (await ask(world, "junk")).status == 401
    assert (await ask(world, "junk")).refusal == TOO_MANY


async def test_what_anyone_may_ask_is_limited_by_address(database: Path) -> None:
    async with limited(database, RATE_LIMIT_ADDRESS="2/minute") as world:
        statuses = [(await ask(world, None, "/openapi.json")).status for _ in range(3)]

    assert statuses == [200, 200, 429]


async def test_a_refusal_by_address_says_when_to_come_again(database: Path) -> None:
    async with limited(database, RATE_LIMIT_ADDRESS="1/minute") as world:
        await ask(world, None)
        world.clock.advance(seconds=20)
        refused = await ask(world, None)

    assert refused.refusal == TOO_MANY
    told = {name: refused.headers[name] for name in ("Retry-After", "RateLimit-Policy", "RateLimit")}
    assert told == {
        "Retry-After": "40",
        "RateLimit-Policy": '"address";q=1;w=60',
        "RateLimit": '"address";r=0;t=40',
    }
    assert "WWW-Authenticate" not in refused.headers


@pytest.mark.parametrize(
    "bearer",
    [
        pytest.param(lambda: None, id="no credential"),
        pytest.param(lambda: "junk", id="no token at all"),
        pytest.param(lambda: "dwd_junk", id="a secret whose checksum is wrong"),
        pytest.param(unknown_secret, id="a well-formed secret that nobody has"),
        pytest.param(lambda: "e30.e30.e30", id="a JWT that is none"),
    ],
)
async def test_credentials_that_are_missing_or_wrong_use_up_an_address(
    database: Path, bearer: Callable[[], str | None]
) -> None:
    async with limited(database, RATE_LIMIT_ADDRESS="2/minute") as world:
        statuses = [(await ask(world, bearer())).status for _ in range(4)]

    assert statuses == [401, 401, 429, 429]


async def test_good_credentials_pass_behind_an_address_that_junk_has_used_up(database: Path) -> None:
    async with limited(database, RATE_LIMIT_ADDRESS="3/minute") as world:
        alice = await world.person()
        device, token = await device_of(alice), await alice.token()
        await flooded(world, 3)
        answers = [
            await ask(world, alice.bearer()),
            await ask(world, device, MY_DEVICE),
            await world.call(
                "POST",
                DEVICES,
                token.made.secret,
                headers={"X-Forwarded-For": HERE},
                json={"name": "another"},
            ),
        ]

    assert [answer.status for answer in answers] == [200, 200, 201]


async def test_good_credentials_use_up_no_address(database: Path) -> None:
    async with limited(database, RATE_LIMIT_ADDRESS="1/minute") as world:
        alice = await world.person()
        for _ in range(3):
            await ask(world, alice.bearer())

        assert (await ask(world, None)).status == 401


async def test_a_flood_shuts_out_no_other_address(database: Path) -> None:
    async with limited(database, RATE_LIMIT_ADDRESS="2/minute") as world:
        await flooded(world, 2)

        assert (await ask(world, None, address=ELSEWHERE)).status == 401


async def test_addresses_of_one_ipv6_network_are_one(database: Path) -> None:
    async with limited(database, RATE_LIMIT_ADDRESS="2/minute") as world:
        addresses = ["2001:db8::1", "2001:db8::ffff:2", "2001:db8::3", "2001:db8:0:1::3"]
        statuses = [(await ask(world, None, address=address)).status for address in addresses]

    assert statuses == [401, 401, 429, 401]


async def test_a_suspended_device_uses_up_its_address(database: Path) -> None:
    async with limited(database, RATE_LIMIT_ADDRESS="1/minute") as world:
        alice = await world.person()
        registered = (await alice.register()).device()
        await alice.do("suspend", registered["id"])
        answers = [await ask(world, registered["device_token"], MY_DEVICE) for _ in range(2)]

    assert [answer.refusal for answer in answers] == [(403, "device_suspended"), TOO_MANY]


@pytest.mark.parametrize("end", ["revoked_at", "suspended_at", "expires_at"])
async def test_a_registration_token_that_has_ended_uses_up_its_address_and_not_its_owner(
    database: Path, end: str
) -> None:
    async with limited(database, RATE_LIMIT_ADDRESS="1/minute", RATE_LIMIT_OWNER="1/minute") as world:
        alice = await world.person()
        device = await device_of(alice)
        ended: dict[str, Any] = {end: world.clock.now()}
        token = await alice.token(**ended)
        first, second = [await token.register(), await token.register()]

        assert first.status in {401, 403}
        assert second.refusal == TOO_MANY
        assert (await my_device(world, device)).status == 200


async def test_a_provider_that_is_away_costs_an_address_nothing(database: Path) -> None:
    async with limited(database, RATE_LIMIT_ADDRESS="1/minute") as world:
        world.issuer.broken(jwks=True)
        bearer = world.issuer.access_token()
        statuses = [(await ask(world, bearer)).status for _ in range(3)]

        assert statuses == [503, 503, 503]
        assert (await ask(world, None)).status == 401


async def test_a_device_has_its_own_limit(database: Path) -> None:
    async with limited(database, RATE_LIMIT_TOKEN="2/minute") as world:
        alice = await world.person()
        wild, calm = await device_of(alice, "wild"), await device_of(await world.person())
        statuses = [(await my_device(world, wild)).status for _ in range(3)]

        assert statuses == [200, 200, 429]
        assert (await my_device(world, calm)).status == 200


async def test_what_a_token_is_refused_takes_nothing_from_its_owner(database: Path) -> None:
    limits = {"RATE_LIMIT_TOKEN": "3/minute", "RATE_LIMIT_OWNER": "5/minute"}
    async with limited(database, **limits) as world:
        alice = await world.person()
        device = await device_of(alice)
        for _ in range(20):
            refused = await my_device(world, device)
        other = (await alice.token()).made.secret
        statuses = [(await world.call("POST", DEVICES, other, json={})).status for _ in range(3)]

    assert refused.headers["RateLimit-Policy"] == '"token";q=3;w=60'
    # Three requests of the device, and two more are five.
    assert statuses == [422, 422, 429]


async def test_all_that_an_owner_has_shares_one_limit(database: Path) -> None:
    async with limited(database, RATE_LIMIT_OWNER="2/minute") as world:
        alice, bob = await world.person(), await world.person()
        devices = [await device_of(alice, name) for name in ("one", "two", "three")]
        *answered, refused = [await my_device(world, device) for device in devices]

        assert [answer.status for answer in answered] == [200, 200]
        assert refused.refusal == TOO_MANY
        assert refused.headers["RateLimit-Policy"] == '"owner";q=2;w=60'
        assert (await my_device(world, await device_of(bob))).status == 200


async def test_whatever_an_owners_things_do_the_owner_can_stop_them(database: Path) -> None:
    """Else a thief of a few device tokens could keep the only one out who may revoke them."""
    async with limited(database, RATE_LIMIT_OWNER="2/minute") as world:
        alice = await world.person()
        device = (await alice.register()).device()
        statuses = [(await my_device(world, device["device_token"])).status for _ in range(3)]
        stopped = await alice.do("revoke", device["id"])

    assert statuses == [200, 200, 429]
    assert stopped.status == 200


async def test_all_tokens_of_a_user_are_one(database: Path) -> None:
    async with limited(database, RATE_LIMIT_TOKEN="3/minute") as world:
        alice = await world.person()
        statuses = [(await ask(world, alice.bearer(jti=f"{number}"))).status for number in range(3)]

    assert statuses == [200, 200, 429]


async def test_a_registration_token_has_its_own_limit(database: Path) -> None:
    async with limited(database, RATE_LIMIT_TOKEN="2/minute") as world:
        token = await (await world.person()).token()
        statuses = [(await token.register(name=name)).status for name in ("one", "two", "three")]

    assert statuses == [201, 201, 429]


async def test_answers_to_good_credentials_tell_what_is_left(database: Path) -> None:
    async with limited(database, RATE_LIMIT_TOKEN="5/minute", RATE_LIMIT_OWNER="9/hour") as world:
        alice = await world.person()
        device = await device_of(alice)
        await my_device(world, device)
        world.clock.advance(seconds=10)
        answered = await my_device(world, device)
        refused = await ask(world, device)
        in_person = await ask(world, alice.bearer(), f"{DEVICES}/dev_{'0' * 22}")

    assert answered.headers["RateLimit-Policy"] == '"token";q=5;w=60, "owner";q=9;w=3600'
    assert answered.headers["RateLimit"] == '"token";r=3;t=50, "owner";r=7;t=3590'
    assert refused.status == 403
    assert refused.headers["RateLimit"] == '"token";r=2;t=50, "owner";r=6;t=3590'
    assert in_person.status == 404
    assert in_person.headers["RateLimit"] == '"token";r=2;t=50'


async def test_a_streamed_answer_tells_it_too(database: Path) -> None:
    async with limited(database, RATE_LIMIT_TOKEN="5/minute") as world:
        alice = await world.person()
        path = f"/api/v1/audit-events/export?tenant_id={alice.tenant_id}"
        headers = {"Authorization": f"Bearer {alice.bearer()}"}
        async with world.server.public.get(path, headers=headers) as answer:
            assert answer.status == 200
            assert answer.headers["RateLimit"] == '"token";r=3;t=60'


async def test_without_limits_nothing_is_counted_and_nothing_told(database: Path) -> None:
    async with limited(database) as world:
        alice = await world.person()
        refused = [await ask(world, None) for _ in range(20)]
        answered = [await ask(world, alice.bearer()) for _ in range(20)]

    assert {answer.status for answer in refused} == {401}
    assert {answer.status for answer in answered} == {200}
    assert not [name for name in answered[-1].headers if name.startswith("RateLimit")]


async def test_refusals_are_counted_by_rule(database: Path) -> None:
    async with limited(database, RATE_LIMIT_ADDRESS="1/minute") as world:
        for _ in range(3):
            await ask(world, None)
        metrics = await (await world.server.private.get("/metrics")).text()

    assert 'rate_limited_total{rule="address"} 2.0' in metrics


async def test_two_processes_share_a_budget_in_redis(database: Path, tmp_path: Path) -> None:
    with RedisServer.running(tmp_path) as redis:
        store = {"RATE_LIMIT_STORE": redis.url, "RATE_LIMIT_ADDRESS": "6/minute"}
        async with running_fleet(database, tmp_path, 2, **store) as fleet:
            statuses = [(await fleet.call_once("GET", "/users/me", "junk")).status for _ in range(8)]

    assert statuses == [401] * 6 + [429] * 2


async def test_two_processes_have_a_budget_each_in_memory(database: Path, tmp_path: Path) -> None:
    async with running_fleet(database, tmp_path, 2, RATE_LIMIT_ADDRESS="3/minute") as fleet:
        statuses = [(await fleet.call_once("GET", "/users/me", "junk")).status for _ in range(8)]

    assert statuses == [401] * 6 + [429] * 2


async def test_a_redis_that_is_away_refuses_nobody(database: Path, tmp_path: Path) -> None:
    with RedisServer.running(tmp_path) as redis:
        async with limited(
            database, RATE_LIMIT_STORE=redis.url, RATE_LIMIT_TOKEN="4/minute", RATE_LIMIT_OWNER="100/minute"
        ) as world:
            alice = await world.person()
            redis.stop()
            statuses = [(await ask(world, alice.bearer())).status for _ in range(5)]

    assert statuses == [200] * 4 + [429]


def test_settings_that_cannot_be_used_are_told_together(database: Path) -> None:
    values = environment(
        "https://login.example.com",
        database,
        RATE_LIMIT_STORE="memcached://:hush@host",
        RATE_LIMIT_ADDRESS="lots",
        RATE_LIMIT_TOKEN="0/second",
        RATE_LIMIT_OWNER="1/second, 10/minute",
    )
    with pytest.raises(SettingsError) as refused:
        read_settings(values)

    faults = refused.value.faults
    assert [fault.split(" ")[0] for fault in faults] == [
        "RATE_LIMIT_ADDRESS",
        "RATE_LIMIT_TOKEN",
        "RATE_LIMIT_OWNER",
        "RATE_LIMIT_STORE",
    ]
    assert "hush" not in "".join(faults)


def test_the_store_never_shows_its_password(database: Path) -> None:
    values = environment("https://login.example.com", database, RATE_LIMIT_STORE="redis://:hush@host")
    settings, secrets = read_settings(values)

    assert "hush" not in f"{settings} {secrets} {secrets.rate_limit_store}"


async def exchanged(world: World, secret: str, address: str = HERE, **more: str) -> tuple[int, str | None]:
    """Status and OAuth error of an exchange."""
    form = {
        "grant_type": GRANT_TYPE,
        "subject_token": secret,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        **more,
    }
    answer = await world.call("POST", "/api/v1/token", None, data=form, headers={"X-Forwarded-For": address})
    return answer.status, answer.body.get("error")


async def test_an_exchange_that_is_refused_counts_for_its_address(database: Path) -> None:
    async with limited(database, RATE_LIMIT_ADDRESS="2/minute") as world:
        refused = [await exchanged(world, unknown_secret()) for _ in range(3)]
        elsewhere = await exchanged(world, unknown_secret(), ELSEWHERE)

    assert refused == [(400, "invalid_request")] * 2 + [(429, "temporarily_unavailable")]
    assert elsewhere == (400, "invalid_request")


async def test_an_exchange_counts_for_its_token_and_never_for_its_address(database: Path) -> None:
    async with limited(database, RATE_LIMIT_ADDRESS="20/minute", RATE_LIMIT_TOKEN="20/minute") as world:
        device = await device_of(await world.person())
        await flooded(world, 20)
        statuses = [(await exchanged(world, device))[0] for _ in range(21)]

    assert statuses == [200] * 20 + [429]


async def test_a_good_secret_counts_for_no_address_also_where_what_it_asks_for_is_refused(
    database: Path,
) -> None:
    async with limited(database, RATE_LIMIT_ADDRESS="1/minute", RATE_LIMIT_TOKEN="20/minute") as world:
        device = await device_of(await world.person())
        refused = [await exchanged(world, device, scope="tokens:write") for _ in range(3)]

        assert refused == [(400, "invalid_scope")] * 3
        assert (await ask(world, None)).status == 401


async def test_an_ended_registration_token_that_is_exchanged_counts_once_for_its_address(
    database: Path,
) -> None:
    async with limited(database, RATE_LIMIT_ADDRESS="2/minute") as world:
        token = await (await world.person()).token(expires_at=world.clock.now())
        refused = [await exchanged(world, token.made.secret) for _ in range(3)]

    assert refused == [(400, "invalid_request")] * 2 + [(429, "temporarily_unavailable")]
