"""What a request says, as typed objects: its JSON body and its query."""

import json
import re
from functools import lru_cache
from typing import TypeVar

import msgspec
from aiohttp import hdrs, web

from common.problems import ProblemCode, ProblemError

BodyT = TypeVar("BodyT", bound="Body")
QueryT = TypeVar("QueryT", bound="Query")

# A private key that was sent is no longer private: the sender must hear so, and it must go no further.
_PRIVATE_KEY = re.compile(rb'private[ _-]?key|secret[_-]?key|"priv[_-]?key|"preshared[_-]?key', re.IGNORECASE)
_NUMBER = re.compile("0|-?[1-9][0-9]{0,17}")


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A JSON object with these fields and no others: a field that was misspelt is not passed over."""


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of a query, each at most once."""


async def read_body(request: web.Request, type_: type[BodyT]) -> BodyT:
    """The body as `type_`; raises `ProblemError`. Nothing at all is an empty object."""
    return parse_body(await read_bytes(request), type_)


async def read_bytes(request: web.Request) -> bytes:
    """The bytes of a JSON body; raises `ProblemError` for another type."""
    body = await request.read()
    if body and not _is_plain_json(request):
        raise ProblemError(
            ProblemCode.UNSUPPORTED_MEDIA_TYPE,
            "Send the body as application/json, in UTF-8 and not compressed, and say so in Content-Type.",
        )
    return body


def _is_plain_json(request: web.Request) -> bool:
    """What a proxy in front decodes in another way, it reads as another body."""
    is_utf8 = (request.charset or "utf-8").lower() == "utf-8"
    return (
        request.content_type == "application/json"
        and is_utf8
        and hdrs.CONTENT_ENCODING not in request.headers
    )


def parse_body(body: bytes, type_: type[BodyT]) -> BodyT:
    """As `read_body`, of bytes that were read."""
    if _PRIVATE_KEY.search(body):
        raise ProblemError(
            ProblemCode.PRIVATE_KEY_SENT,
            "The body has a field for a private key. Nothing was kept of it; still, make a new key, "
            "and send the public one only.",
        )
    try:
        decoded: BodyT = _decoder(type_).decode(body or b"{}")
    except msgspec.ValidationError as error:
        raise ProblemError(ProblemCode.INVALID_BODY, f"{error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProblemError(ProblemCode.BAD_REQUEST, "The body is not JSON.") from None
    if body:
        _refuse_repeated_names(body)
    return decoded


def _refuse_repeated_names(body: bytes) -> None:
    """RFC 8259 section 4: whoever looks at the body before us may read the first of two, we the last one.

    For a body that was decoded: it is well-formed, and nested no deeper than its type.
    """
    json.loads(body, object_pairs_hook=_pairs)


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ProblemError(ProblemCode.INVALID_BODY, "A field of the body stands there twice.")
    return members


@lru_cache
def _decoder(type_: type[BodyT]) -> "msgspec.json.Decoder[BodyT]":
    return msgspec.json.Decoder(type_)


def read_query(request: web.Request, type_: type[QueryT]) -> QueryT:
    """The query as `type_`; raises `ProblemError` for what is unknown, repeated or of another form."""
    found: dict[str, str | int] = {}
    numbers = _numbers_of(type_)
    for name, value in request.query.items():
        if name in found:
            # Which of the two counts would be for each reader to guess.
            raise ProblemError(ProblemCode.BAD_REQUEST, "A parameter of the query stands there twice.")
        found[name] = int(value) if name in numbers and _NUMBER.fullmatch(value) else value
    try:
        return msgspec.convert(found, type_)
    except msgspec.ValidationError as error:
        raise ProblemError(ProblemCode.BAD_REQUEST, f"The query: {error}.") from None


@lru_cache
def _numbers_of(type_: type[Query]) -> frozenset[str]:
    """The parameters that are numbers.

    msgspec would convert more than these, were it let: `state=null` would be no filter, `since=2026` 1970.
    """
    parameters = msgspec.inspect.type_info(type_).fields  # type: ignore[attr-defined] # it is one of a struct
    return frozenset(one.name for one in parameters if isinstance(one.type, msgspec.inspect.IntType))
