"""What the operator asks about signing keys. The operator is whoever reaches the private listener.

So a web page on the operator's machine must not be able to ask: its browser reaches that listener as well. A
page of another site is told apart by what browsers add to its requests, a page whose own name was made to
resolve to this machine (DNS rebinding) by that name.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime

import msgspec
from aiohttp import hdrs, web
from yarl import URL

from apiserver.answers import json_answer
from apiserver.bodies import Body, read_body
from apiserver.signing.key import KeyState, state_of
from apiserver.signing.rotation import SigningKeys
from common.clock import Clock
from common.problems import ProblemCode, ProblemError


class SigningKeyAnswer(msgspec.Struct, frozen=True):
    kid: str
    algorithm: str
    state: KeyState
    created_at: datetime
    signs_from: datetime
    withdrawn_at: datetime | None


class SigningKeyList(msgspec.Struct, frozen=True):
    items: list[SigningKeyAnswer]


class Rotation(Body, frozen=True):
    """`compromised`: the other keys are withdrawn at once, with all that they signed."""

    compromised: bool = False


@dataclass(frozen=True)
class SigningKeyHandlers:
    keys: SigningKeys
    clock: Clock

    def app(self) -> web.Application:
        """Everything below `/signing-keys`."""
        app = web.Application()
        app.router.add_get("", self.show_all)
        app.router.add_post("/rotate", self.rotate)
        return app

    async def show_all(self, request: web.Request) -> web.Response:
        refuse_browsers(request)
        await self.keys.look()
        return self._answer()

    async def rotate(self, request: web.Request) -> web.Response:
        refuse_browsers(request)
        if request.content_type != "application/json":
            # Of the types that a page may send to another site without asking, this is none.
            raise ProblemError(
                ProblemCode.UNSUPPORTED_MEDIA_TYPE, "Send the body as application/json, and say so."
            )
        asked = await read_body(request, Rotation)
        await (self.keys.replace_compromised() if asked.compromised else self.keys.rotate())
        return self._answer()

    def _answer(self) -> web.Response:
        rows, now = self.keys.known.rows, self.clock.now()
        return json_answer(
            SigningKeyList(
                [
                    SigningKeyAnswer(
                        kid=key.id,
                        algorithm=key.algorithm,
                        state=state_of(key, rows, now),
                        created_at=key.created_at,
                        signs_from=key.signs_from,
                        withdrawn_at=key.withdrawn_at,
                    )
                    for key in rows
                ]
            )
        )


def refuse_browsers(request: web.Request) -> None:
    """Raises `ProblemError` for what a page of a browser may have sent."""
    from_page = hdrs.ORIGIN in request.headers or request.headers.get("Sec-Fetch-Site", "none") != "none"
    if from_page:
        raise ProblemError(
            ProblemCode.CROSS_SITE_REQUEST, "Web pages may not ask this. Use `doorward keys`.", cause="page"
        )
    if not _names_machine(request.headers.getall(hdrs.HOST, [])):
        raise ProblemError(
            ProblemCode.CROSS_SITE_REQUEST,
            "Ask by the address of this listener, or as localhost.",
            cause="host_name",
        )


def _names_machine(hosts: list[str]) -> bool:
    """Whether the one `Host` is an address or `localhost`: nobody can make another name of those."""
    if len(hosts) != 1:
        return False
    try:
        host = URL(f"http://{hosts[0]}").host or ""
        return host == "localhost" or bool(ipaddress.ip_address(host))
    except ValueError:
        return False
