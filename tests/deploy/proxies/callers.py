"""Who comes to a proxy: browsers that signed in, devices, and clients that forge."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from common.identity import IDENTITY_HEADERS
from tests.bff.agent import NAVIGATION, SCRIPT
from tests.deploy.proxies.edges import Edge
from tests.fakes.providers import ProviderUser, log_in

__all__ = ["FORGED", "NAVIGATION", "SCRIPT", "Device", "client_of", "cookies_of", "new_device", "signed_in"]

SPELLINGS: tuple[Callable[[str], str], ...] = (
    str.lower,
    str.upper,
    lambda name: name.replace("-", "_"),
    lambda name: name.replace("-", "_").lower(),
    lambda name: name.replace("-", "_", 1),
    lambda name: "_".join(name.rsplit("-", 1)),
    lambda name: name.replace("-", "."),
    lambda name: ".".join(name.rsplit("-", 1)),
)
# RFC 9110 5.6.2: what else a name may hold.
ODD_CHARACTERS = "!#$%&'*+.^`|~"
OTHER_NAMES = (
    *("X-Authz-Audience", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Uri"),
    *("X-Forwarded-Method", "X-Forwarded-Prefix", "X-Original-URL", "X-Rewrite-URL", "X-Remote-User"),
    *("Remote-User", "X-HTTP-Method-Override", "Forwarded", "X-Request-Id"),
)
# Envoy takes a hundred headers, so not all spellings of all.
FORGED = [
    (name, "forged")
    for name in (
        *IDENTITY_HEADERS[1:],
        *OTHER_NAMES,
        *(spell(name) for name in ("X-User", "X-Auth-Kind") for spell in SPELLINGS),
        *(name.replace("-", "_") for name in IDENTITY_HEADERS[1:]),
        *(f"X{odd}User" for odd in ODD_CHARACTERS),
        *(f"X-Auth{odd}Kind" for odd in ODD_CHARACTERS),
    )
]


@asynccontextmanager
async def client_of(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=edge.url, trust_env=False, verify=False, timeout=20) as client:
        yield client


@asynccontextmanager
async def signed_in(edge: Edge, user: ProviderUser) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that logged in through the proxy: from a page that is not for everybody, and back to it."""
    async with client_of(edge) as browser:
        asked = await browser.get("/reports/7?page=2", headers=NAVIGATION)
        assert asked.status_code == 302, asked.text
        to_provider = await browser.get(asked.headers["Location"], headers=NAVIGATION)
        back = await log_in(browser, to_provider.headers["Location"], user, f"{edge.url}/login/end")
        landed = await browser.get(back.headers["Location"], headers=NAVIGATION)
        assert landed.status_code == 302, landed.text
        assert landed.headers["Location"] == "/reports/7?page=2"
        yield browser


@dataclass(frozen=True)
class Device:
    id: str
    token: str
    owner: str
    user: str
    tenant: str
    registration_token: str
    _owners: httpx.Headers
    _edge: Edge

    async def revoke(self) -> None:
        async with client_of(self._edge) as client:
            answer = await client.post(f"/api/v1/devices/{self.id}/revoke", headers=self._owners)
        assert answer.status_code == 200, answer.text


async def new_device(edge: Edge, user: ProviderUser | None = None) -> Device:
    """A device of `user`, or of alice, who makes its registration token by cookie."""
    async with signed_in(edge, user or edge.ground.alice) as browser:
        owners = httpx.Headers(SCRIPT | {"Cookie": cookies_of(browser)})
        me = await browser.get("/api/v1/users/me", headers=SCRIPT)
        user_info = await browser.get("/userinfo", headers=SCRIPT)
        made = await browser.post("/api/v1/registration-tokens", headers=SCRIPT, json={"label": "test"})
    token = made.json()["token"]
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        device = await client.post(
            f"http://{edge.ground.wiring.apiserver}/api/v1/devices",
            headers={"Authorization": f"Bearer {token}"},
            json={"name": "sensor"},
        )
    assert device.status_code == 201, device.text
    told = device.json()
    return Device(
        id=told["id"],
        token=told["device_token"],
        owner=me.json()["id"],
        user=user_info.json()["sub"],
        tenant=told["tenant_id"],
        registration_token=token,
        _owners=owners,
        _edge=edge,
    )


def cookies_of(browser: httpx.AsyncClient) -> str:
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
