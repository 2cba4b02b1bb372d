"""The file of routes: what it says is what is in the table, and what is wrong is told, all at once."""

from pathlib import Path

import pytest

from bff.proxy.route_checks import Surroundings
from bff.proxy.route_file import RouteFile, load_routes, read_routes
from bff.proxy.route_table import HealthCheck, Policy, UpstreamAddress
from bff.settings import Settings, read_settings
from common.env import ListenAddress, SettingsError
from common.randomness import SystemRandomness

SURROUNDINGS = Surroundings(
    "http://localhost:8080", ("/web",), (ListenAddress("127.0.0.1", 8081), ListenAddress("0.0.0.0", 9081))
)
BACKEND = "http://127.0.0.1:8082"


def read(text: str, backend: str | None = BACKEND, surroundings: Surroundings = SURROUNDINGS) -> RouteFile:
    return read_routes(text, "routes.toml", backend, surroundings)


def route_with(*lines: str, prefix: str = "/x/") -> str:
    return "\n".join(["[[route]]", f'prefix = "{prefix}"', *lines])


def fault_of(text: str, backend: str | None = BACKEND) -> str:
    """The one fault, without where it is."""
    (fault,) = read(text, backend).faults
    return fault.removeprefix("ROUTES routes.toml").removeprefix(", route 1 ('/x/'): ").removeprefix(": ")


def test_a_prefix_is_enough_where_there_is_a_backend() -> None:
    found = read(route_with())

    (route,) = found.table.routes
    assert (found.faults, found.uses_backend) == ((), True)
    assert (route.name, route.prefix, route.policy) == ("/x/", "/x/", Policy("required"))
    assert route.upstreams == (UpstreamAddress("http", "127.0.0.1", 8082),)
    assert (route.methods, route.strip_prefix, route.body_limit, route.health) == (None, False, None, None)
    assert (route.answer_timeout_s, route.connect_timeout_s) == (60, 5)
    assert found.table.roles_claim == "roles"


def test_a_route_for_forward_auth_needs_no_upstream_and_no_backend() -> None:
    found = read(route_with("forward_auth = true", 'roles = "admin"', 'methods = "GET"'), backend=None)

    (route,) = found.table.routes
    assert (found.faults, found.uses_backend, route.upstreams) == ((), False, ())
    assert (route.policy.roles, route.methods) == (frozenset({"admin"}), frozenset({"GET", "HEAD"}))


def test_without_forward_auth_it_does() -> None:
    assert read(route_with("forward_auth = false")).uses_backend
    assert fault_of(route_with("forward_auth = false"), None).startswith("upstream is missing and BACKEND")


def test_a_large_route_is_read_as_written() -> None:
    found = read(
        'roles_claim = "realm_access.roles"\n'
        + route_with(
            'name = "the shop"'.replace(" shop", "-shop"),
            'upstream = ["https://Shop.Example.com/v2/", "https://[::1]:8443"]',
            'policy = "required"',
            'scopes = "a"',
            'roles = ["admin", "Chief of staff"]',
            'acr = ["gold", "silver"]',
            'methods = ["GET", "POST"]',
            "strip_prefix = true",
            'answer_timeout = "5m"',
            'connect_timeout = "1s"',
            'body_limit = "10MB"',
            'health = "/healthz"',
            'health_interval = "3s"',
        ),
        None,
    )

    (route,) = found.table.routes
    assert (found.faults, found.uses_backend, found.table.roles_claim) == ((), False, "realm_access.roles")
    assert route.name == "the-shop"
    assert route.upstreams == (
        UpstreamAddress("https", "shop.example.com", 443, base_path="/v2"),
        UpstreamAddress("https", "::1", 8443),
    )
    assert route.policy == Policy(
        "required", frozenset({"a"}), frozenset({"admin", "Chief of staff"}), ("gold", "silver")
    )
    assert route.methods == frozenset({"GET", "HEAD", "POST"})
    assert route.strip_prefix
    assert (route.answer_timeout_s, route.connect_timeout_s, route.body_limit) == (300, 1, 10_000_000)
    assert route.health == HealthCheck("/healthz", 3)


def test_a_socket() -> None:
    (route,) = read(route_with('upstream = "unix:/run/x y.sock"')).table.routes

    (address,) = route.upstreams
    assert (address.unix_path, address.authority, address.scheme) == ("/run/x y.sock", "localhost", "http")
    assert str(address) == "unix:/run/x y.sock"


@pytest.mark.parametrize(
    ("size", "number"),
    [
        ("1", 1),
        ('"1"', 1),
        ('"2B"', 2),
        ('"3KB"', 3000),
        ('"3KiB"', 3072),
        ('"1MiB"', 2**20),
        ('"2GB"', 2 * 10**9),
        ('"1GiB"', 2**30),
    ],
)
def test_sizes(size: str, number: int) -> None:
    assert read(route_with(f"body_limit = {size}")).table.routes[0].body_limit == number


PATH_FORM = "use letters, digits and - . _ ~ between slashes, nothing encoded and no patterns"
UPSTREAM_FORM = (
    "cannot be used: write http://host:port, https://host/path or unix:/path/to.sock, without user, query "
    "and fragment."
)
SIZE_FORM = 'write a number of bytes above 0, or "10MB" or "10MiB"; leave it out for no limit.'
SCOPE_FORM = 'write each scope as a text of its own, without blanks and quotes, as in ["a", "b"].'
METHOD_FORM = "write methods in capitals, such as GET; TRACE and CONNECT never pass."
DURATION_FORM = "write a number and a unit, such as 90s, 30m, 12h or 7d."
LIST_FORM = "must be a text or a list of texts, and not be empty."
TEXT_FORM = "must be a text in quotes, and not be empty."
WANT_REQUIRED = 'scopes, roles and acr need a session: use policy = "required", not'
NAMING = "name the service that is behind this door."

FAULTS: dict[str, tuple[str, str]] = {
    "nothing": ("", "there is no [[route]], so nothing would be forwarded: write one."),
    "a table for a list": (
        '[route]\nprefix = "/x/"',
        "route is not written as [[route]], in two brackets: write each route so.",
    ),
    "a list of something else": (
        "route = [1]",
        "route is not written as [[route]], in two brackets: write each route so.",
    ),
    "unknown key above": (
        f'roles_clam = "x"\n{route_with()}',
        "'roles_clam' is no key here: use roles_claim, route.",
    ),
    "roles claim with a blank": (
        f'roles_claim = "a b"\n{route_with()}',
        'roles_claim is \'a b\': name a claim, such as "roles" or "realm_access.roles".',
    ),
    "roles claim is a list": (f'roles_claim = ["a"]\n{route_with()}', f"roles_claim {TEXT_FORM}"),
    "unknown key": (
        route_with('polcy = "anonymous"'),
        (
            "'polcy' is no key here: use prefix, name, upstream, policy, scopes, roles, acr, methods, "
            "strip_prefix, answer_timeout, connect_timeout, body_limit, health, health_interval, "
            "forward_auth."
        ),
    ),
    "no prefix": (
        "[[route]]",
        ', route 1: prefix is missing: write one, such as prefix = "/shop/".',
    ),
    "prefix is a number": ("[[route]]\nprefix = 1", f", route 1: prefix {TEXT_FORM}"),
    "prefix is empty": ('[[route]]\nprefix = ""', f", route 1 (''): prefix {TEXT_FORM}"),
    "policy is a word": (
        route_with('policy = "public"'),
        "policy is 'public': use one of anonymous, optional, required.",
    ),
    "policy is a flag": (route_with("policy = false"), f"policy {TEXT_FORM}"),
    "scopes for everybody": (
        route_with('policy = "anonymous"', 'scopes = "a"'),
        f'{WANT_REQUIRED} "anonymous".',
    ),
    "roles for some": (route_with('policy = "optional"', 'roles = "a"'), f'{WANT_REQUIRED} "optional".'),
    "acr for some": (route_with('policy = "optional"', 'acr = "a"'), f'{WANT_REQUIRED} "optional".'),
    "no scope at all": (route_with("scopes = []"), f"scopes {LIST_FORM}"),
    "an empty scope": (route_with('scopes = ["a", ""]'), f"scopes {LIST_FORM}"),
    "a scope of another type": (route_with('scopes = ["a", 1]'), f"scopes {LIST_FORM}"),
    "two scopes in one": (route_with('scopes = "a b"'), f"scopes has 'a b': {SCOPE_FORM}"),
    "a scope with a quote": (route_with("scopes = 'a\"'"), f"scopes has 'a\"': {SCOPE_FORM}"),
    "a role with a line break": (
        route_with('roles = "a\\n"'),
        "roles has 'a\\n': use printable characters, at most 256.",
    ),
    "an acr that ends its header": (
        route_with("acr = 'a\"b'"),
        "acr has 'a\"b': write each value as a text of its own, without blanks and quotes.",
    ),
    "more acr than a login takes": (
        route_with(f"acr = ['{'a' * 99}', '{'b' * 99}', '{'c' * 99}']"),
        "acr is longer than /login/start takes: use 256 characters in all.",
    ),
    "methods in lower case": (route_with('methods = ["get"]'), f"methods has 'get': {METHOD_FORM}"),
    "TRACE": (route_with('methods = ["GET", "TRACE"]'), f"methods has 'TRACE': {METHOD_FORM}"),
    "CONNECT": (route_with('methods = "CONNECT"'), f"methods has 'CONNECT': {METHOD_FORM}"),
    "no method at all": (route_with("methods = []"), f"methods {LIST_FORM}"),
    "strip_prefix in quotes": (
        route_with('strip_prefix = "false"'),
        "strip_prefix must be true or false, without quotes.",
    ),
    "a time without a unit": (route_with("answer_timeout = 60"), f"answer_timeout {TEXT_FORM}"),
    "no time": (route_with('answer_timeout = "0s"'), f"answer_timeout is '0s': {DURATION_FORM}"),
    "a time in words": (
        route_with('connect_timeout = "soon"'),
        f"connect_timeout is 'soon': {DURATION_FORM}",
    ),
    "a time beyond the calendar": (
        route_with('connect_timeout = "99999999d"'),
        "connect_timeout is '99999999d': use at most 3650d.",
    ),
    "a size of nothing": (route_with("body_limit = 0"), f"body_limit is 0: {SIZE_FORM}"),
    "a negative size": (route_with("body_limit = -1"), f"body_limit is -1: {SIZE_FORM}"),
    "a size that is a flag": (route_with("body_limit = true"), f"body_limit is True: {SIZE_FORM}"),
    "a size with a fraction": (route_with("body_limit = 1.5"), f"body_limit is 1.5: {SIZE_FORM}"),
    "a size in lower case": (route_with('body_limit = "10mb"'), f"body_limit is '10mb': {SIZE_FORM}"),
    "health with a query": (route_with('health = "/h?x"'), f"health is '/h?x': {PATH_FORM}."),
    "health without a slash": (
        route_with('health = "healthz"'),
        "health is 'healthz': begin it with a slash.",
    ),
    "an interval without health": (
        route_with('health_interval = "1s"'),
        'health_interval is set without health: write the path to ask, such as "/healthz".',
    ),
    "forward-auth with an upstream": (
        route_with("forward_auth = true", 'upstream = "http://h"', "strip_prefix = true"),
        (
            "upstream, strip_prefix would never count: a route with forward_auth = true is only judged, at "
            "/verify, and another proxy forwards. Take one or the other out."
        ),
    ),
    "forward-auth in quotes": (
        route_with('forward_auth = "true"'),
        "forward_auth must be true or false, without quotes.",
    ),
    "a name with a blank": (
        route_with('name = "a b"'),
        "name is 'a b': use letters, digits and . _ / -, at most 64.",
    ),
    "an upstream that is a number": (route_with("upstream = 1"), f"upstream {LIST_FORM}"),
    "an upstream that is no address": (
        route_with('upstream = "shop:8080"'),
        f"upstream 'shop:8080' {UPSTREAM_FORM}",
    ),
    "an upstream with a password": (
        route_with('upstream = "http://u:hunter2@h"'),
        f"upstream '***@h' {UPSTREAM_FORM}",
    ),
    "an upstream with a query": (
        route_with('upstream = "http://h/?x"'),
        f"upstream 'http://h/?x' {UPSTREAM_FORM}",
    ),
    "an upstream with a fragment": (
        route_with('upstream = "http://h/#x"'),
        f"upstream 'http://h/#x' {UPSTREAM_FORM}",
    ),
    "an upstream of another kind": (
        route_with('upstream = "ftp://h"'),
        f"upstream 'ftp://h' {UPSTREAM_FORM}",
    ),
    "an upstream with letters beyond ASCII": (
        route_with('upstream = "http://höst"'),
        f"upstream 'http://höst' {UPSTREAM_FORM}",
    ),
    "an upstream with port 0": (
        route_with('upstream = "http://h:0"'),
        "upstream 'http://h:0' has no port that can be called: write one from 1 to 65535.",
    ),
    "an upstream with dots in its path": (
        route_with('upstream = "http://h/a/../b"'),
        "upstream 'http://h/a/../b' has a path that cannot be used: write it without . and .. segments.",
    ),
    "an upstream with an encoded path": (
        route_with('upstream = "http://h/%2e%2e/b"'),
        f"upstream 'http://h/%2e%2e/b' has a path that cannot be used: {PATH_FORM}.",
    ),
    "a socket without a path": (
        route_with('upstream = "unix:x.sock"'),
        "upstream 'unix:x.sock' must name a socket by its absolute path, as unix:/run/shop.sock does.",
    ),
    "a socket with a line break": (
        route_with('upstream = "unix:/x\\n.sock"'),
        "upstream 'unix:/x\\n.sock' must name a socket by its absolute path, as unix:/run/shop.sock does.",
    ),
    "a socket with a path that is too long": (
        route_with(f'upstream = "unix:/{"x" * 107}"'),
        f"upstream 'unix:/{'x' * 107}' is longer than a socket's path may be (107 bytes).",
    ),
    "an upstream that falls back to plain http": (
        route_with('upstream = ["https://h", "http://h"]'),
        "upstream mixes http, https and unix: use one of them for all of a route.",
    ),
    "an upstream that falls back to the network": (
        route_with('upstream = ["unix:/x.sock", "http://h"]'),
        "upstream mixes http, https and unix: use one of them for all of a route.",
    ),
    "an upstream twice": (
        route_with('upstream = ["http://h", "http://H:80/"]'),
        "upstream has an address twice: write each once.",
    ),
    "the door itself": (
        route_with('upstream = "http://localhost:8080/x"'),
        f"upstream http://localhost:8080/x is PUBLIC_URL itself: {NAMING}",
    ),
    "the agent itself": (
        route_with('upstream = "http://localhost:8081"'),
        f"upstream http://localhost:8081 is this agent itself: {NAMING}",
    ),
    "the private listener": (
        route_with('upstream = "http://127.0.0.1:9081"'),
        f"upstream http://127.0.0.1:9081 is this agent itself: {NAMING}",
    ),
}


@pytest.mark.parametrize(("text", "sentence"), FAULTS.values(), ids=FAULTS.keys())
def test_a_wrong_file_is_one_sentence(text: str, sentence: str) -> None:
    assert fault_of(text).removeprefix("ROUTES routes.toml") == sentence


BAD_PREFIXES = {
    "without a slash": ("x", "begin it with a slash"),
    "a pattern": ("/{path}/", PATH_FORM),
    "an asterisk": ("/x/*", PATH_FORM),
    "dots": ("/x/../y", "write it without . and .. segments"),
    "a dot": ("/./y", "write it without . and .. segments"),
    "two slashes": ("/x//y", "it has an empty segment: write each slash once"),
    "slashes alone": ("//", "it has an empty segment: write each slash once"),
    "encoded": ("/%78/", PATH_FORM),
    "a path parameter": ("/x;y/", PATH_FORM),
    "a query": ("/x?y", PATH_FORM),
    "a blank": ("/x y", PATH_FORM),
    "not ASCII": ("/ü/", PATH_FORM),
    "endless": ("/" + "x" * 256, "use at most 256 characters"),
}


@pytest.mark.parametrize(("prefix", "remedy"), BAD_PREFIXES.values(), ids=BAD_PREFIXES.keys())
def test_a_prefix_is_plain(prefix: str, remedy: str) -> None:
    (fault,) = read(route_with(prefix=prefix)).faults

    assert fault == f"ROUTES routes.toml, route 1 ({prefix!r}): prefix is {prefix!r}: {remedy}."


OWN_PREFIXES = [
    "/login/", "/login", "/login/help/", "/logout", "/userinfo", "/user_info", "/claims", "/session",
    "/sessions/", "/refresh", "/backchannel-logout", "/web", "/web/", "/web/api/",
]  # fmt: skip


@pytest.mark.parametrize("prefix", OWN_PREFIXES)
def test_a_route_cannot_stand_where_the_agent_answers(prefix: str) -> None:
    (fault,) = read(route_with(prefix=prefix)).faults

    own = "/" + prefix.split("/")[1]
    assert fault.endswith(
        f": {own} is the agent's own, so nothing would reach this route: choose another prefix."
    )


def test_a_route_cannot_hide_where_the_agent_answers() -> None:
    inside = Surroundings("http://localhost:8080", ("/a/b",), ())

    (fault,) = read(route_with(prefix="/a/"), surroundings=inside).faults
    assert fault.endswith(": it would hide /a/b, which is the agent's own: choose another prefix.")
    assert read(route_with(prefix="/"), surroundings=inside).faults == ()
    assert read(route_with(prefix="/a/c"), surroundings=inside).faults == ()


@pytest.mark.parametrize("prefix", ["/loginx", "/Login/", "/api/login/", "/webs/", "/device/"])
def test_a_prefix_that_only_looks_like_one_of_the_agent_is_free(prefix: str) -> None:
    assert read(route_with(prefix=prefix)).faults == ()


def two(first: str, second: str, *lines: str) -> list[str]:
    found = read(f"{route_with(prefix=first)}\n{route_with(*lines, prefix=second)}")
    return [fault.removeprefix("ROUTES routes.toml, ") for fault in found.faults]


def test_two_routes_cannot_have_one_prefix() -> None:
    assert two("/x/", "/x/") == [
        "route 2 ('/x/'): route 1 ('/x/') has the same prefix, so one would never be used: keep one."
    ]


@pytest.mark.parametrize(("first", "second"), [("/x/", "/x"), ("/x", "/x/")])
def test_two_routes_cannot_differ_by_a_slash(first: str, second: str) -> None:
    (fault,) = two(first, second)

    assert "differs by a slash only, so one takes what the other means: keep /x, which takes" in fault


def test_two_routes_cannot_have_one_name() -> None:
    assert two("/x/", "/y/", 'name = "/x/"') == [
        "route 2 ('/y/'): the name '/x/' is that of route 1 ('/x/') as well: give it another."
    ]


@pytest.mark.parametrize(("first", "second"), [("/", "/admin/"), ("/admin/", "/"), ("/app", "/app/admin/")])
def test_the_edge_of_a_route_cannot_fall_to_another_policy(first: str, second: str) -> None:
    (fault,) = two(first, second, 'policy = "anonymous"')

    inner = max(first, second, key=len)
    assert f"('{inner}'): {inner.rstrip('/')} itself would fall to route" in fault
    assert fault.endswith(f"which has another policy: write the prefix as {inner.rstrip('/')}.")


def test_routes_within_routes_are_free_where_nothing_falls_between() -> None:
    assert two("/", "/admin/") == []
    assert two("/", "/admin", 'policy = "anonymous"') == []
    assert two("/admin/", "/administrators/", 'policy = "anonymous"') == []


def test_all_faults_are_told_at_once_and_nothing_is_used() -> None:
    found = read(
        'surprise = 1\n[[route]]\nprefix = "/x/"\nbody_limit = 0\nhealth = ""\n'
        '[[route]]\nprefix = "/login"\nupstream = "x"\n[[route]]\nprefix = "/x/"'
    )

    assert [fault.split(": ")[0].removeprefix("ROUTES routes.toml") for fault in found.faults] == [
        "", ", route 1 ('/x/')", ", route 1 ('/x/')", ", route 2 ('/login')", ", route 2 ('/login')",
        ", route 3 ('/x/')",
    ]  # fmt: skip
    assert found.table.routes == ()


def test_a_route_needs_an_upstream_from_somewhere() -> None:
    assert fault_of(route_with(), None) == (
        "upstream is missing and BACKEND is not set: write where the service is."
    )


@pytest.mark.parametrize("text", ["[[route]", "a = 1\na = 2", "x = " + "[" * 10_000])
def test_what_is_no_toml_is_said(text: str) -> None:
    (fault,) = read(text).faults

    assert fault.startswith("ROUTES routes.toml is not TOML: ")


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b'[[route]]\nprefix = "/\xfc"')

    for name, kind in [
        ("nowhere", "FileNotFoundError"),
        (".", "IsADirectoryError"),
        ("latin", "UnicodeDecodeError"),
    ]:
        (fault,) = load_routes(tmp_path / name, None, SURROUNDINGS).faults
        assert fault.endswith(f"cannot be read ({kind}): check the path, its rights, and that it is UTF-8.")


# The settings


def settings_of(**values: str) -> Settings:
    needed = {"OIDC_PROVIDER": "https://provider.example", "OIDC_CLIENT_ID": "doorward"}
    return read_settings(needed | values, SystemRandomness())[0]


def faults_of(**values: str) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        settings_of(**values)
    return raised.value.faults


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "routes.toml"
    path.write_text(route_with('upstream = "http://127.0.0.1:1"'))
    return path


def test_without_a_file_there_is_one_route_to_the_backend() -> None:
    (route,) = settings_of(BACKEND=BACKEND).routes.routes

    assert (route.name, route.prefix, route.policy.access) == ("/api/", "/api/", "required")
    assert route.upstreams == (UpstreamAddress("http", "127.0.0.1", 8082),)


def test_a_file_takes_the_place_of_that_route(file: Path) -> None:
    assert [route.prefix for route in settings_of(ROUTES=str(file)).routes.routes] == ["/x/"]


def test_a_backend_that_no_route_uses_is_a_mistake(file: Path) -> None:
    assert faults_of(ROUTES=str(file), BACKEND=BACKEND) == [
        "BACKEND is set and not used: no route of ROUTES is without an upstream. Take it out."
    ]


def test_the_backend_serves_the_routes_that_name_none(file: Path) -> None:
    file.write_text(route_with())

    (route,) = settings_of(ROUTES=str(file), BACKEND=BACKEND).routes.routes
    assert str(route.upstreams[0]) == BACKEND


def test_faults_of_the_file_and_of_the_environment_are_told_together(file: Path) -> None:
    file.write_text(route_with("x = 1"))

    faults = faults_of(ROUTES=str(file), OIDC_CLIENT_ID="", LISTEN="x")
    assert len(faults) == 4
    assert sum(fault.startswith(f"ROUTES {file}, route 1") for fault in faults) == 2


@pytest.mark.parametrize("port", ["8081", "9081"])
def test_the_backend_is_not_the_agent_itself(port: str) -> None:
    assert faults_of(BACKEND=f"http://localhost:{port}") == [f"BACKEND is this agent itself: {NAMING}"]


def test_the_prefix_may_be_any_word_that_no_route_has(file: Path) -> None:
    assert settings_of(ROUTES=str(file), PREFIX="/api").prefix == "/api"
    (fault,) = faults_of(ROUTES=str(file), PREFIX="/x")
    assert "route 1 ('/x/'): /x is the agent's own" in fault


@pytest.mark.parametrize(("flow", "is_free"), [("both", False), ("authorization", True), ("device", True)])
def test_the_place_of_the_device_mode_is_taken_where_both_run(
    file: Path, flow: str, *, is_free: bool
) -> None:
    file.write_text(route_with('upstream = "http://127.0.0.1:1"', prefix="/device/"))

    if is_free:
        assert settings_of(ROUTES=str(file), OIDC_FLOW=flow).routes.match("/device/x") is not None
    else:
        (fault,) = faults_of(ROUTES=str(file), OIDC_FLOW=flow)
        assert "/device is the agent's own" in fault


def test_the_table_of_the_settings_knows_the_agents_own(file: Path) -> None:
    file.write_text(route_with('upstream = "http://127.0.0.1:1"', prefix="/"))

    table = settings_of(ROUTES=str(file), PREFIX="/web").routes
    assert table.match("/x") is not None
    assert [table.match(path) for path in ("/login/start", "/session", "/web/x")] == [None] * 3
