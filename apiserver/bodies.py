"""What a request says, as typed objects: its JSON body and its query."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TypeVar

import msgspec
from aiohttp import hdrs, web

from apiserver.texts import InvalidValueError
from common.problems import ProblemCode, ProblemError

BodyT = TypeVar("BodyT", bound="Body")
QueryT = TypeVar("QueryT", bound="Query")

# A private key that was sent is no longer private: the sender must hear so, and it must go no further.
_NAMES_PRIVATE_KEY = re.compile(
    r"(?:private|secret|pre[ _.-]?shared|(?<![a-z])priv)[ _.-]?key", re.IGNORECASE
).search
# A PEM block, or a line of a WireGuard file. That somebody writes of private keys is no harm.
_HOLDS_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY|(?:private|preshared)key\s*=\s*[A-Za-z0-9+/]{40}", re.IGNORECASE
).search

_NUMBER = re.compile("0|-?[1-9][0-9]{0,17}")


@contextmanager
def values_checked() -> Iterator[None]:
    """A value of a body against which its own rule speaks is refused with that rule's sentence."""
    try:
        yield
    except InvalidValueError as error:
        raise ProblemError(ProblemCode.INVALID_BODY, error.detail) from None


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
    try:
        decoded: BodyT = _decoder(type_).decode(body or b"{}")
    except msgspec.ValidationError as error:
        _refuse_private_keys(body)
        raise ProblemError(ProblemCode.INVALID_BODY, f"{error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProblemError(ProblemCode.BAD_REQUEST, "The body is not JSON.") from None
    if body:
        _check_members(body)
    return decoded


def _refuse_private_keys(body: bytes) -> None:
    """Of a body that is not as its type: it may be anything."""
    # What cannot be read here is refused by the caller.
    with suppress(ValueError, RecursionError):
        _check_members(body)


def _check_members(body: bytes) -> None:
    r"""Raises `ProblemError` for a private key anywhere, and for a field that stands there twice.

    Both are judged as they are decoded: `\u005f` is an underscore.
    """
    is_repeated = False

    def members_of(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal is_repeated
        for name, value in pairs:
            if _NAMES_PRIVATE_KEY(name) or _is_private_key(value):
                raise _private_key_sent()
        members = dict(pairs)
        is_repeated = is_repeated or len(members) < len(pairs)
        return members

    json.loads(body, object_pairs_hook=members_of)
    if is_repeated:
        # RFC 8259 section 4: whoever looks at the body before us may read the first of two, we the last one.
        raise ProblemError(ProblemCode.INVALID_BODY, "A field of the body stands there twice.")


def _is_private_key(value: object) -> bool:
    """Objects inside were judged when they were decoded."""
    if isinstance(value, str):
        return _HOLDS_PRIVATE_KEY(value) is not None
    return isinstance(value, list) and any(_is_private_key(one) for one in value)


def _private_key_sent() -> ProblemError:
    return ProblemError(
        ProblemCode.PRIVATE_KEY_SENT,
        "The body has a field for a private key, or holds one. Nothing was kept of it; still, make a new "
        "key, and send the public one only.",
    )


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
