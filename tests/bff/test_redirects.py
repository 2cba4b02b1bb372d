"""Where a browser may be sent after login and logout, and where never."""

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from yarl import URL

from bff.login.redirects import allowed_return
from tests.bff.agent import Agent, run_agent
from tests.bff.logins import is_signed_in

PUBLIC_URL = "https://app.example.com"
ORIGINS = frozenset({PUBLIC_URL, "https://admin.example.com:8443", "http://localhost:5173"})

ALLOWED = [
    "/",
    "/devices",
    "/devices/17;x=1?page=2&next=/a//b#top",
    "/search?q=https://evil.com",
    "/search?q=%5C%0A",
    "/a%20b/%C3%BC",
    "/@user/~me/(x)!",
    "/?",
    "/#/route",
    PUBLIC_URL,
    f"{PUBLIC_URL}/",
    f"{PUBLIC_URL}/devices?x=1#y",
    "https://admin.example.com:8443/users",
    "http://localhost:5173/",
    "/" + "x" * 1023,
]

REFUSED = {
    "nothing": "",
    "no slash": "devices",
    "dot": "./devices",
    "query alone": "?x=1",
    "fragment alone": "#x",
    # Addresses that browsers read as those of another host.
    "two slashes": "//evil.com",
    "three slashes": "///evil.com",
    "four slashes": "////evil.com",
    "two slashes later": "/devices//evil.com",
    "two slashes behind a dot": "/.//evil.com",
    "two slashes behind a way up": "/x/..//evil.com",
    "two slashes behind an encoded dot": "/%2e//evil.com",
    "slash and backslash": "/\\evil.com",
    "backslash and slash": "\\/evil.com",
    "two backslashes": "\\\\evil.com",
    "dot segment and backslash": "/./\\evil.com",
    "backslash later": "/devices\\evil",
    "tab between slashes": "/\t/evil.com",
    "line break between slashes": "/\n/evil.com",
    "carriage return between slashes": "/\r/evil.com",
    "blank before": " //evil.com",
    "tab before": "\t//evil.com",
    "NUL": "/\0/evil.com",
    "delete": "/\x7f/evil.com",
    # Those that become one after another round of decoding.
    "encoded slash": "/%2fevil.com",
    "encoded slash, capital": "/%2Fevil.com",
    "twice encoded slash": "/%252fevil.com",
    "encoded backslash": "/%5cevil.com",
    "twice encoded backslash": "/%255cevil.com",
    "encoded tab": "/%09/evil.com",
    "encoded line feed": "/%0a/evil.com",
    "encoded carriage return": "/%0d/evil.com",
    "encoded NUL": "/%00/evil.com",
    "header in the path": "/%0d%0aSet-Cookie:%20a=b",
    "header in clear": "/x\r\nSet-Cookie: a=b",
    # Letters that are folded into a slash or a dot.
    "ideographic mark": "/〱evil.com",
    "fullwidth slash": "/\uff0fevil.com",
    "fraction slash": "/\u2044evil.com",
    "not ASCII": "/ü",
    "surrogate": "/\udcff",
    # Schemes.
    "script": "javascript:alert(1)",
    "script behind a control character": "\x01javascript:alert(1)",
    "script with slashes": "javascript://app.example.com/%0aalert(1)",
    "data": "data:text/html,x",
    "scheme without slashes": "https:evil.com",
    "scheme with one slash": "https:/evil.com",
    "our host, scheme without slashes": "https:app.example.com",
    "our host, scheme with one slash": "https:/app.example.com",
    "scheme-relative of our host": "//app.example.com/",
    "scheme with backslashes": "https:\\\\app.example.com",
    # Origins that look like ours.
    "foreign": "https://evil.com",
    "foreign, ours in the path": "https://evil.com/https://app.example.com/",
    "foreign, ours in the query": "https://evil.com?https://app.example.com/",
    "foreign, ours in the fragment": "https://evil.com#https://app.example.com/",
    "ours as a prefix": "https://app.example.com.evil.com/",
    "ours as a prefix, no dot": "https://app.example.community/",
    "ours as a suffix": "https://evil-app.example.com/",
    "ours as a suffix, no dot": "https://badexample.com/",
    "subdomain": "https://evil.app.example.com/",
    "parent": "https://example.com/",
    "trailing dot": "https://app.example.com./",
    "user": "https://app.example.com@evil.com/",
    "user and password": "https://app.example.com:443@evil.com/",
    "user before ours": "https://evil@app.example.com/",
    "backslash before the user": "https://app.example.com\\@evil.com/",
    "port of digits that go on": "https://app.example.com:443",
    "another port": "https://app.example.com:8443/",
    "default port spelled out": "https://app.example.com:443/",
    "port missing": "https://admin.example.com/",
    "longer port": "https://admin.example.com:84430/",
    "other scheme": "http://app.example.com/",
    "websocket": "wss://app.example.com/",
    "capital host": "https://APP.example.com/",
    "capital scheme": "HTTPS://app.example.com/",
    "query without a path": "https://app.example.com?x=1",
    "fragment without a path": "https://app.example.com#x",
    "two slashes at ours": "https://app.example.com//evil.com",
    "encoded slash at ours": "https://app.example.com/%2fevil.com",
    "quote": '/"onload="alert(1)',
    "angle brackets": "/<script>",
    "longer than allowed": "/" + "x" * 1024,
}


@pytest.mark.parametrize("address", ALLOWED)
def test_paths_of_this_site_and_configured_origins_are_allowed(address: str) -> None:
    assert allowed_return(address, ORIGINS) == address


@pytest.mark.parametrize("address", REFUSED.values(), ids=REFUSED.keys())
def test_anything_else_is_refused(address: str) -> None:
    assert allowed_return(address, ORIGINS) is None


PIECES = st.sampled_from(
    ["/", "//", "\\", "%2f", "%5c", "%09", "%0a", "%25", "..", ".", ":", "@", "?", "#", "[", "]", "\t", "\n",
     "https:", "http:", "javascript:", "app.example.com", "evil.com", "admin.example.com:8443", ":443", "x"]
)  # fmt: skip
ADDRESSES = st.one_of(
    st.lists(PIECES, max_size=8).map("".join),
    st.text(max_size=20).map("/".__add__),
    st.text(max_size=20).map(PUBLIC_URL.__add__),
    st.tuples(st.sampled_from(sorted(ORIGINS)), st.lists(PIECES, max_size=5).map("".join)).map("".join),
)


def as_browsers_resolve(address: str) -> str:
    """The origin that a browser would end at, by the rules that make it dangerous (WHATWG URL)."""
    stripped = address.strip("".join(map(chr, range(33)))).translate({9: None, 10: None, 13: None})
    slashed = stripped.replace("\\", "/")
    if slashed.startswith("//"):
        return "https://" + slashed.lstrip("/").split("/")[0]
    if slashed.startswith("/"):
        return PUBLIC_URL
    scheme, _, rest = slashed.partition(":")
    return f"{scheme}://{rest.lstrip('/').split('/')[0]}"


@settings(deadline=None)  # a machine that is busy makes no example wrong
@given(address=ADDRESSES)
@example(address="/.//evil.com")
@example(address="/x/..//evil.com")
@example(address="/;//evil.com")
def test_whatever_is_let_through_stays_at_an_allowed_origin_for_every_parser(address: str) -> None:
    allowed = allowed_return(address, ORIGINS)
    if allowed is None:
        return

    by_yarl = str(URL(PUBLIC_URL).join(URL(allowed)).origin())
    by_urllib = urlsplit(urljoin(f"{PUBLIC_URL}/login/end", allowed))
    assert by_yarl in ORIGINS
    assert f"{by_urllib.scheme}://{by_urllib.netloc}" in ORIGINS
    assert as_browsers_resolve(allowed) in ORIGINS
    assert allowed.isascii()
    assert allowed.isprintable()


@pytest.mark.parametrize("name", ["redirect", "failure"])
async def test_the_login_refuses_foreign_addresses_and_starts_nothing(agent: Agent, name: str) -> None:
    browser = await agent.browser()

    for address in (
        "https://evil.com",
        "//evil.com",
        "/\\evil.com",
        "/\t/evil.com",
        "javascript:alert(1)",
        "",
    ):
        answer = await browser.navigate(str(URL("/login/start").with_query({name: address})))
        assert answer.status_code == 400, address
        assert "The return address is not allowed" in answer.text
        assert "Location" not in answer.headers
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("name", ["redirect", "failure"])
async def test_an_address_that_is_given_twice_is_refused(agent: Agent, name: str) -> None:
    browser = await agent.browser()

    answer = await browser.call("GET", f"/login/start?{name}=/a&{name}=/b")

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_the_logout_refuses_foreign_addresses_and_ends_nothing(agent: Agent) -> None:
    browser = await agent.signed_in()

    for address in ("https://evil.com", "//evil.com", "/\\evil.com", "/%09/evil.com", ""):
        answer = await browser.call("POST", str(URL("/logout").with_query(redirect=address)))
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_redirect"), address

    assert await is_signed_in(browser)


async def test_a_configured_origin_is_exact() -> None:
    async with run_agent(ORIGINS="http://127.0.0.1:81") as agent:
        browser = await agent.browser()

        to_it = await browser.log_in(query="?redirect=http://127.0.0.1:81/users%3Fx=1")
        beside_it = await browser.call("GET", "/login/start?redirect=http://127.0.0.1:811/")

    assert to_it.headers["Location"] == "http://127.0.0.1:81/users?x=1"
    assert beside_it.status_code == 400


async def test_a_failure_keeps_the_query_and_fragment_of_its_address(agent: Agent) -> None:
    browser = await agent.browser()
    failure = "/failed?tab=a%26b&error=forged#part"
    callback = agent.issuer.authorize(
        await browser.start_login(str(URL("").with_query(failure=failure))), sub="alice"
    )

    answer = await browser.come_back({**callback, "code": "", "error": "access_denied"})

    assert answer.headers["Location"] == "/failed?tab=a%26b&error=access_denied#part"
