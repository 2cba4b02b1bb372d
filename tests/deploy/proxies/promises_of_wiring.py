"""What every proxy asks its checks, and makes of their answers. The checks are stand-ins here."""

import httpx
import pytest

from common.identity import IDENTITY_HEADERS
from tests.deploy.proxies.callers import FORGED, NAVIGATION, SCRIPT, client_of
from tests.deploy.proxies.checker import Checker
from tests.deploy.proxies.edges import Edge
from tests.deploy.proxies.ground import SERVICE_AUDIENCE
from tests.fakes.backend import Seen

COOKIE = {"Cookie": "doorward_session=abc; other=1"}
DEVICE = {"Authorization": "Bearer dwd_abc"}
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}
SHOWN = [
    {"Authorization": "Bearer dwd_abc"},
    {"Authorization": "bEARER  dwr_abc"},
    {"Authorization": "Bearer eyJhbGciOi.e30.c2ln"},
    {"X-Device-Key": "dwd_abc"},
    {"X-Provisioning-Key": "dwr_abc"},
    {"Authorization": "Bearer dwd_abc", **COOKIE},
]


async def ask(edge: Edge, method: str, path: str, **options: object) -> httpx.Response:
    async with client_of(edge) as client:
        request = client.build_request(method, path, **options)  # type: ignore[arg-type]
        # As it stands here: httpx would tidy it.
        request.url = request.url.copy_with(raw_path=path.encode())
        return await client.send(request)


def the_one(edge: Edge) -> Seen:
    (seen,) = edge.ground.service.seen
    return seen


def question(seen: Seen) -> tuple[str, str]:
    """Method and target that a check was asked about, in either form."""
    if seen.target in {"/verify", "/verify?", "/verify?navigation=401", "/authz", "/authz?"}:
        (method,), (target,) = seen.values("X-Forwarded-Method"), seen.values("X-Forwarded-Uri")
        return method, target
    prefix = "/verify" if seen.target.startswith("/verify/") else "/authz"
    assert seen.target.startswith(f"{prefix}/")
    return seen.method, seen.target.removeprefix(prefix)


class Limits:
    """Of an edge that takes three requests at once, and next to none later."""

    one_bucket = True
    """Whether what a person does by cookie and by devices is counted together."""

    async def test_a_user_over_the_limit_waits_while_another_is_free(
        self, limited_edge: Edge, cookies: Checker
    ) -> None:
        cookies.lets_pass(X_User="alice")
        of_alice = [await ask(limited_edge, "GET", "/reports", headers=SCRIPT) for _ in range(5)]
        cookies.lets_pass(X_User="bob")
        of_bob = await ask(limited_edge, "GET", "/reports", headers=SCRIPT)

        assert [answer.status_code for answer in of_alice] == [200, 200, 200, 429, 429]
        assert int(of_alice[-1].headers["Retry-After"]) >= 1
        assert of_bob.status_code == 200
        assert len(limited_edge.ground.service.seen) == 4

    async def test_devices_count_with_their_owner(
        self, limited_edge: Edge, cookies: Checker, tokens: Checker
    ) -> None:
        cookies.lets_pass(X_User="carol")
        tokens.lets_pass(X_User="carol")
        in_a_browser = [await ask(limited_edge, "GET", "/reports", headers=SCRIPT) for _ in range(2)]
        by_a_device = [await ask(limited_edge, "GET", "/reports", headers=DEVICE) for _ in range(2)]

        last = 429 if self.one_bucket else 200
        assert [answer.status_code for answer in in_a_browser + by_a_device] == [200, 200, 200, last]

    async def test_a_forged_name_takes_nothing_from_anybody(
        self, limited_edge: Edge, cookies: Checker
    ) -> None:
        cookies.lets_pass(X_User="dave")
        forged = SCRIPT | {"X-User": "erin"}
        of_dave = [await ask(limited_edge, "GET", "/reports", headers=forged) for _ in range(4)]
        cookies.lets_pass(X_User="erin")
        of_erin = await ask(limited_edge, "GET", "/reports", headers=SCRIPT)

        assert [answer.status_code for answer in of_dave] == [200, 200, 200, 429]
        assert of_erin.status_code == 200


class Wiring:
    """The attributes are what a proxy may do in its own way."""

    fails_with = 503
    """Where a check is away."""
    refusal_of_a_navigation = 302
    """What the check says, which the proxy makes a redirect of."""
    too_many = (429, "7")
    """Status and `Retry-After` where the check says 429 and 7 seconds."""

    @pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "HEAD", "OPTIONS"])
    async def test_a_cookie_is_shown_to_the_agent_with_method_path_and_query(
        self, checked_edge: Edge, cookies: Checker, tokens: Checker, method: str
    ) -> None:
        await ask(checked_edge, method, "/reports/a%20b?x=1&y=%2F", headers=COOKIE)

        assert [question(seen) for seen in cookies.asked] == [(method, "/reports/a%20b?x=1&y=%2F")]
        assert "doorward_session=abc" in cookies.asked[0].values("Cookie")[0]
        assert tokens.asked == []
        assert the_one(checked_edge).method == method
        assert the_one(checked_edge).target == "/reports/a%20b?x=1&y=%2F"

    @pytest.mark.parametrize("shown", SHOWN, ids=str)
    async def test_whoever_shows_a_token_is_judged_by_the_apiserver(
        self, checked_edge: Edge, cookies: Checker, tokens: Checker, shown: dict[str, str]
    ) -> None:
        await ask(checked_edge, "POST", "/reports?x=1", headers=shown, content=b"body")

        assert [question(seen) for seen in tokens.asked] == [("POST", "/reports?x=1")]
        assert tokens.asked[0].values("X-Authz-Audience") == [SERVICE_AUDIENCE]
        for name in set(shown) - {"Cookie"}:
            assert tokens.asked[0].values(name) == [shown[name]]
        assert cookies.asked == []

    async def test_a_check_gets_no_body_and_the_service_the_whole(
        self, checked_edge: Edge, cookies: Checker
    ) -> None:
        body = b"0123456789" * 20_000

        await ask(checked_edge, "POST", "/reports", headers=COOKIE, content=body)

        assert cookies.asked[0].body == b""
        assert the_one(checked_edge).body == body

    async def test_the_client_cannot_say_what_it_is_judged_by(
        self, checked_edge: Edge, tokens: Checker
    ) -> None:
        forged = [
            *(("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/open"), ("X-Forwarded-For", "10.9.8.7")),
            *(
                ("X-Forwarded-Host", "evil.example"),
                ("X-Authz-Audience", "other"),
                ("Forwarded", "for=10.9.8.7"),
            ),
        ]

        await ask(checked_edge, "POST", "/reports", headers=[*DEVICE.items(), *forged, *forged])

        assert question(tokens.asked[0]) == ("POST", "/reports")
        assert tokens.asked[0].values("X-Authz-Audience") == [SERVICE_AUDIENCE]
        assert tokens.asked[0].values("X-Forwarded-For") == ["127.0.0.1"]
        assert "evil.example" not in str(tokens.asked[0].headers)

    @pytest.mark.parametrize("shown", [COOKIE, *SHOWN], ids=str)
    async def test_the_service_gets_what_the_check_says_and_no_credential(
        self, checked_edge: Edge, cookies: Checker, tokens: Checker, shown: dict[str, str]
    ) -> None:
        told = {name: f"the-{name}" for name in IDENTITY_HEADERS[1:]}
        for checker in (cookies, tokens):
            checker.lets_pass(**told)

        await ask(checked_edge, "GET", "/reports", headers=shown)

        seen = the_one(checked_edge)
        assert seen.values("Authorization") == [f"Bearer {cookies.jwt}"]
        assert {name: seen.values(name) for name in told} == {name: [value] for name, value in told.items()}
        # Not `abc` alone, which a random request id may have in it.
        assert not any(secret in str(seen.headers) for secret in ("_abc", "=abc"))
        assert seen.values("Cookie") == []
        assert seen.values("X-Authz-Audience") == []

    @pytest.mark.parametrize("shown", [COOKIE, DEVICE, {}, {"Authorization": "Basic Zm9yZ2VkOng="}], ids=str)
    @pytest.mark.parametrize(
        ("method", "path"), [("GET", "/reports"), ("OPTIONS", "/reports"), ("GET", "/public/x")]
    )
    async def test_what_the_client_says_of_itself_never_reaches_the_service(
        self,
        checked_edge: Edge,
        cookies: Checker,
        tokens: Checker,
        shown: dict[str, str],
        method: str,
        path: str,
    ) -> None:
        answer = await ask(checked_edge, method, path, headers=[*FORGED, *shown.items()])

        assert answer.status_code == 200
        seen = the_one(checked_edge)
        assert "forged" not in str(seen.headers).lower()
        assert "Basic" not in str(seen.headers)
        assert seen.values("X-Forwarded-For") == ["127.0.0.1"]

    @pytest.mark.parametrize("shown", [COOKIE, DEVICE], ids=["cookie", "token"])
    async def test_what_a_check_leaves_out_is_not_taken_from_the_client(
        self, checked_edge: Edge, cookies: Checker, tokens: Checker, shown: dict[str, str]
    ) -> None:
        for checker in (cookies, tokens):
            checker.headers = {"Authorization": f"Bearer {checker.jwt}"}

        await ask(checked_edge, "GET", "/reports", headers=[*FORGED, *shown.items()])

        assert all(not any(the_one(checked_edge).values(name)) for name in IDENTITY_HEADERS[1:])

    @pytest.mark.parametrize("shown", [COOKIE, DEVICE], ids=["cookie", "token"])
    @pytest.mark.parametrize(
        "named",
        [
            IDENTITY_HEADERS[1:],
            ("X-Authz-Audience",),
            ("X-Forwarded-Method", "X-Forwarded-Uri", "X-Forwarded-For"),
        ],
        ids=["identity", "audience", "question"],
    )
    async def test_the_client_cannot_have_dropped_what_is_said_and_asked(
        self,
        checked_edge: Edge,
        cookies: Checker,
        tokens: Checker,
        shown: dict[str, str],
        named: tuple[str, ...],
    ) -> None:
        """Proxies drop what `Connection` names (RFC 9110 7.6.1), after it was copied from the check too."""
        told = {name: f"the-{name}" for name in IDENTITY_HEADERS[1:]}
        for checker in (cookies, tokens):
            checker.lets_pass(**told)

        connection = {"Connection": ", ".join(["close", *named])}
        answer = await ask(checked_edge, "POST", "/reports", headers=shown | connection)

        if answer.status_code in self.refuses_to_drop and named != IDENTITY_HEADERS[1:]:
            assert checked_edge.ground.service.seen == []
            return
        seen, asked = the_one(checked_edge), (cookies.asked + tokens.asked)[0]
        assert {name: seen.values(name) for name in told} == {name: [value] for name, value in told.items()}
        assert seen.values("X-Forwarded-For") == ["127.0.0.1"]
        assert question(asked) == ("POST", "/reports")
        assert shown is COOKIE or asked.values("X-Authz-Audience") == [SERVICE_AUDIENCE]

    refuses_to_drop: frozenset[int] = frozenset()
    """Statuses with which a proxy refuses a request that would have it drop what is its own."""

    @pytest.mark.parametrize("shown", [COOKIE, {"X-Device-Key": "dwd_abc"}], ids=["cookie", "key"])
    async def test_the_client_cannot_have_its_jwt_dropped(
        self, checked_edge: Edge, cookies: Checker, tokens: Checker, shown: dict[str, str]
    ) -> None:
        """A service with public parts would take the caller for nobody."""
        await ask(checked_edge, "GET", "/reports", headers=shown | {"Connection": "close, Authorization"})

        assert the_one(checked_edge).values("Authorization") == [f"Bearer {cookies.jwt}"]

    @pytest.mark.parametrize("status", [401, 403])
    @pytest.mark.parametrize("shown", [COOKIE, DEVICE], ids=["cookie", "token"])
    async def test_a_refusal_is_passed_on(
        self, checked_edge: Edge, cookies: Checker, tokens: Checker, shown: dict[str, str], status: int
    ) -> None:
        for checker in (cookies, tokens):
            checker.answers(status)

        answer = await ask(checked_edge, "GET", "/reports", headers=SCRIPT | shown)

        assert answer.status_code == status
        assert checked_edge.ground.service.seen == []

    @pytest.mark.parametrize("shown", [COOKIE, DEVICE], ids=["cookie", "token"])
    async def test_who_asks_too_often_is_told_so(
        self, checked_edge: Edge, cookies: Checker, tokens: Checker, shown: dict[str, str]
    ) -> None:
        for checker in (cookies, tokens):
            checker.answers(429, Retry_After="7")

        answer = await ask(checked_edge, "GET", "/reports", headers=SCRIPT | shown)

        assert (answer.status_code, answer.headers["Retry-After"]) == self.too_many
        assert checked_edge.ground.service.seen == []

    async def test_a_token_in_the_answer_of_a_check_never_reaches_the_client(
        self, checked_edge: Edge, cookies: Checker
    ) -> None:
        cookies.lets_pass(X_User="alice")

        answer = await ask(checked_edge, "GET", "/reports", headers=COOKIE)

        assert cookies.jwt not in str(answer.headers)
        assert "alice" not in str(answer.headers)

    @pytest.mark.parametrize("status", [500, 502, 503])
    async def test_a_check_that_fails_lets_nobody_through(
        self, checked_edge: Edge, cookies: Checker, tokens: Checker, status: int
    ) -> None:
        for checker in (cookies, tokens):
            checker.answers(status)

        answers = [await ask(checked_edge, "GET", "/reports", headers=shown) for shown in (COOKIE, DEVICE)]

        assert all(answer.status_code >= 500 for answer in answers)
        assert checked_edge.ground.service.seen == []

    @pytest.mark.parametrize("shown", [COOKIE, DEVICE, {}], ids=["cookie", "token", "nothing"])
    async def test_without_anybody_to_check_nobody_gets_through(
        self, lonely_edge: Edge, shown: dict[str, str]
    ) -> None:
        answer = await ask(lonely_edge, "GET", "/reports", headers=[*FORGED, *shown.items()])

        assert answer.status_code == self.fails_with
        assert lonely_edge.ground.service.seen == []

    async def test_somebody_who_goes_somewhere_is_sent_to_the_login(
        self, checked_edge: Edge, cookies: Checker
    ) -> None:
        login = f"{checked_edge.url}/login/start?redirect=/reports%3Fx%3D1"
        cookies.answers(self.refusal_of_a_navigation, Location=login)

        answer = await ask(checked_edge, "GET", "/reports?x=1", headers=NAVIGATION)

        assert answer.status_code == 302
        assert answer.headers["Location"] == login

    @pytest.mark.parametrize(
        "path",
        ["/verify", "/verify/x", "/authz", "/authz/api/v1", "/metrics", "/healthz", "/readyz", "//verify"],
    )
    @pytest.mark.parametrize("shown", [COOKIE, DEVICE], ids=["cookie", "token"])
    async def test_private_endpoints_do_not_exist_outside(
        self, checked_edge: Edge, cookies: Checker, shown: dict[str, str], path: str
    ) -> None:
        answer = await ask(checked_edge, "GET", path, headers=shown)

        assert answer.status_code == 404
        assert checked_edge.ground.service.seen == []

    async def test_the_service_cannot_set_cookies(self, checked_edge: Edge, cookies: Checker) -> None:
        service = checked_edge.ground.service
        service.answer_headers = [("Set-Cookie", "doorward_session=planted"), ("Set-Cookie", "x=1")]

        answers = [
            await ask(checked_edge, "GET", f"/{where}/shaped", headers=COOKIE) for where in ("a", "public")
        ]

        assert [answer.status_code for answer in answers] == [200, 200]
        assert all("Set-Cookie" not in answer.headers for answer in answers)

    async def test_the_service_cannot_set_cookies_with_a_handshake(
        self, checked_edge: Edge, cookies: Checker
    ) -> None:
        """Some proxies pass the headers of a 101 on by another way; browsers keep its cookies."""
        checked_edge.ground.service.answer_headers = [("Set-Cookie", "doorward_session=planted")]

        answer = await ask(checked_edge, "GET", "/a/socket", headers=COOKIE | HANDSHAKE)

        assert answer.status_code == 101
        assert ("Set-Cookie" in answer.headers) is self.passes_cookies_of_a_handshake

    passes_cookies_of_a_handshake = False

    @pytest.mark.parametrize("path", ["/a/shaped", "/public/shaped"])
    @pytest.mark.parametrize("place", ["/-doorward-check", "/reports"])
    async def test_the_service_cannot_have_the_proxy_go_elsewhere(
        self, checked_edge: Edge, cookies: Checker, path: str, place: str
    ) -> None:
        """The check itself too, to whose answer with the bearer nginx would send whoever asked."""
        checked_edge.ground.service.answer_headers = [("X-Accel-Redirect", place)]

        answer = await ask(checked_edge, "GET", path, headers=COOKIE)

        assert answer.content == b"shaped"
        assert cookies.jwt not in str(answer.headers)
        assert the_one(checked_edge).target == path

    @pytest.mark.parametrize("path", ["/a", "/public/a"])
    @pytest.mark.parametrize(
        "protocols", [["h2c"], ["h2c", "websocket"], ["websocket, h2c"], ["h2c, websocket"]], ids=str
    )
    async def test_no_protocol_but_websocket_is_spoken_through_the_door(
        self, checked_edge: Edge, cookies: Checker, path: str, protocols: list[str]
    ) -> None:
        """Over h2c, requests would follow that no check has seen, with any identity that they like."""
        named = [("Upgrade", protocol) for protocol in protocols]

        await ask(checked_edge, "GET", path, headers=[*COOKIE.items(), ("Connection", "Upgrade"), *named])

        reached = [seen.values("Upgrade") for seen in checked_edge.ground.service.seen]
        assert reached in ([], [[]], [["websocket"]])

    @pytest.mark.parametrize(
        "path",
        [
            *("/public/..;/reports", "/public/%2e%2e/reports", "/public/..%2freports", "/public/../reports"),
            *("/public/%2e%2e%3b/reports", "/public//reports", "/public/a;b", "/reports/%2e%2e/public/x"),
            *(
                "/reports/../public/x",
                "/public/.%2e/reports",
                "/public%2f..%2freports",
                "/public/..\\reports",
            ),
        ],
    )
    async def test_no_spelling_of_a_path_gets_round_the_check(
        self, checked_edge: Edge, cookies: Checker, path: str
    ) -> None:
        cookies.answers(401)

        await ask(checked_edge, "GET", path)

        # Nothing, or a path that means the same to every reader.
        reached = [seen.target for seen in checked_edge.ground.service.seen]
        assert reached in ([], ["/public/x"], ["/public/reports"])
