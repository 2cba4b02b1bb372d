"""What a proxy reads of an answer of `/authz`."""

from aiohttp import ClientResponse

from common.identity import IDENTITY_HEADERS

NOBODY = dict.fromkeys(IDENTITY_HEADERS, "")
NAMED = {"X_Forwarded_Method": "GET", "X_Forwarded_Uri": "/shop/x?y=1"}


def identity(answer: ClientResponse) -> dict[str, str]:
    """Every identity header, each of which must stand there once."""
    return {name: value for name in IDENTITY_HEADERS for value in [_only(answer.headers.getall(name))]}


def _only(values: list[str]) -> str:
    (value,) = values
    return value


def jwt_in(answer: ClientResponse) -> str:
    scheme, token = answer.headers["Authorization"].split(" ")
    assert scheme == "Bearer"
    return token


async def refused(answer: ClientResponse) -> tuple[int, str]:
    """Status and code of a refusal, which tells nothing of anybody."""
    assert identity(answer) == NOBODY
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status, str((await answer.json())["code"])
