"""Which route a path belongs to, and what is asked of the service behind it."""

import pytest

from bff.proxy.route_checks import OWN_SEGMENTS
from bff.proxy.route_table import ProxyRoute, RouteTable, UpstreamAddress
from tests.bff.agent import run_agent

ADDRESS = UpstreamAddress("http", "127.0.0.1", 8082)


def table(*prefixes: str, own: tuple[str, ...] = ("/login", "/a/b")) -> RouteTable:
    return RouteTable([ProxyRoute(prefix, prefix, (ADDRESS,)) for prefix in prefixes], own)


def matched(found: RouteTable, path: str) -> str | None:
    route = found.match(path)
    return None if route is None else route.prefix


EVERYTHING = table("/", "/api/", "/admin", "/admin/public/", "/shop")

MATCHES = {
    "below a prefix with a slash": ("/api/v1/x", "/api/"),
    "the prefix itself": ("/api/", "/api/"),
    "without its slash it is another path": ("/api", "/"),
    "a prefix without a slash takes itself": ("/admin", "/admin"),
    "and with a slash": ("/admin/", "/admin"),
    "and what is below": ("/admin/x", "/admin"),
    "but no longer word": ("/administrator", "/"),
    "the longest wins": ("/admin/public/x", "/admin/public/"),
    "and stops at its border": ("/admin/public", "/admin"),
    "case counts": ("/Admin/x", "/"),
    "the root": ("/", "/"),
    "anything": ("/static/main.js", "/"),
    "encoded where no other route is near": ("/static/a%20b;c", "/"),
    "encoded below the longest prefix": ("/api/a%20b", "/api/"),
    "an endpoint of the agent": ("/login/start", None),
    "the first segment of one": ("/login", None),
    "a longer word than one": ("/logins", "/"),
    "an own prefix of two segments": ("/a/b/api/x", None),
    "beside it": ("/a/c", "/"),
    "an encoded letter": ("/%61dmin/x", None),
    "an encoded letter of the agent's own": ("/%6cogin/start", None),
    "encoded twice": ("/%2561dmin/x", None),
    "encoded so often that nobody looks": ("/%25252525252561dmin/x", None),
    "a path parameter": ("/admin;v=1/x", None),
    "an encoded path parameter": ("/admin%3bv=1/x", None),
    "a path parameter further down": ("/admin/public;x/y", None),
    "an asterisk (OPTIONS *)": ("*", None),
    "an absolute form": ("http://host/api/x", None),
    "nothing": ("", None),
}


@pytest.mark.parametrize(("path", "prefix"), MATCHES.values(), ids=MATCHES.keys())
def test_a_path_belongs_to_one_route(path: str, prefix: str | None) -> None:
    assert matched(EVERYTHING, path) == prefix


@pytest.mark.parametrize("path", ["/", "/x", "/apis/x", "/api"])
def test_without_a_route_for_all_the_rest_a_path_may_be_nobodys(path: str) -> None:
    assert matched(table("/api/"), path) is None


def test_the_order_in_the_file_means_nothing() -> None:
    prefixes = ("/x/y/z", "/x", "/", "/x/y")

    assert {matched(table(*order), "/x/y/q") for order in (prefixes, prefixes[::-1])} == {"/x/y"}


@pytest.mark.parametrize("path", ["/100%25", "/100%2525", "/%"])
def test_a_percent_sign_that_stays_one_is_no_disguise(path: str) -> None:
    assert matched(table("/", "/admin"), path) == "/"


TARGETS = {
    "kept": (ProxyRoute("n", "/shop/", ()), "/shop/x?y=/shop/", "/shop/x?y=/shop/"),
    "stripped": (ProxyRoute("n", "/shop/", (), strip_prefix=True), "/shop/x/shop/y?z", "/x/shop/y?z"),
    "stripped to the root": (ProxyRoute("n", "/shop", (), strip_prefix=True), "/shop", "/"),
    "stripped to a query": (ProxyRoute("n", "/shop", (), strip_prefix=True), "/shop?x", "/?x"),
    "nothing to strip": (ProxyRoute("n", "/", (), strip_prefix=True), "/x", "/x"),
}


@pytest.mark.parametrize(("route", "target", "wanted"), TARGETS.values(), ids=TARGETS.keys())
def test_what_goes_up(route: ProxyRoute, target: str, wanted: str) -> None:
    below_a_path = UpstreamAddress("http", "h", 80, base_path="/v2")

    assert route.target_at(ADDRESS, target) == wanted
    assert route.target_at(below_a_path, target) == "/v2" + wanted


def test_methods() -> None:
    every, some = ProxyRoute("n", "/", ()), ProxyRoute("n", "/", (), methods=frozenset({"GET"}))

    assert [every.allows(method) for method in ("GET", "PURGE", "TRACE", "CONNECT")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert [some.allows(method) for method in ("GET", "POST")] == [True, False]


@pytest.mark.parametrize(
    ("address", "authority"),
    [
        (UpstreamAddress("http", "h", 80), "h"),
        (UpstreamAddress("http", "h", 443), "h:443"),
        (UpstreamAddress("https", "h", 443), "h"),
        (UpstreamAddress("http", "::1", 8082), "[::1]:8082"),
    ],
)
def test_the_authority_of_an_upstream(address: UpstreamAddress, authority: str) -> None:
    assert address.authority == authority


async def test_the_agents_own_endpoints_are_those_that_it_serves() -> None:
    async with run_agent(OIDC_FLOW="both", PREFIX="/web") as agent:
        paths = {route.resource.canonical for route in agent.app.router.routes() if route.resource}
        own = {path.removeprefix("/device").removeprefix("/web").split("/")[1] for path in paths}

        assert own - {"api"} == set(OWN_SEGMENTS)
