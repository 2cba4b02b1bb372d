"""What the Doorward server answers: as a type, or as the error that says why there is none."""

from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from cli.answers import Problem, decode
from cli.client import Answer
from cli.errors import CliError, RefusalError, TokenRefusedError, UnreachableError

T = TypeVar("T")

# An answer as it came, for machines: fields that we do not know are in it.
Document: TypeAlias = dict[str, Any]

_SUCCESSES = frozenset({HTTPStatus.OK, HTTPStatus.CREATED})


class Credential(Enum):
    """What was sent along: only a login is mended by another login."""

    LOGIN = auto()
    DEVICE = auto()
    REGISTRATION_TOKEN = auto()
    NONE = auto()


@dataclass(frozen=True)
class Told(Generic[T]):
    """What the server told: as a type for people, and whole for machines."""

    value: T
    document: Document


def told(answer: Answer, server: str, type_: type[T], credential: Credential = Credential.LOGIN) -> Told[T]:
    """Raises `CliError` for every answer that is not a success of this type."""
    return Told(expect(answer, server, type_, credential), expect(answer, server, dict[str, Any], credential))


def expect(answer: Answer, server: str, type_: type[T], credential: Credential = Credential.LOGIN) -> T:
    """As `told`, for what no machine asks about."""
    if answer.status not in _SUCCESSES:
        raise failure(answer, server, credential)
    decoded = decode(answer.body, type_)
    if decoded is None:
        raise makes_no_sense(server)
    return decoded


def converted(document: Document, server: str, type_: type[T]) -> T:
    """A part of an answer as this type; raises `CliError`."""
    try:
        return msgspec.convert(document, type_, strict=False)
    except ValueError:
        raise makes_no_sense(server) from None


def makes_no_sense(server: str) -> CliError:
    return CliError(
        f"The answer of {server} is not what a Doorward server says to a command line.",
        "Check --server, and that the proxy before it tells command lines by their User-Agent.",
    )


def failure(answer: Answer, server: str, credential: Credential = Credential.LOGIN) -> CliError:
    """What an answer that is no success means."""
    problem = decode(answer.body, Problem) or Problem()
    reason = reason_of(answer, problem)
    match answer.status:
        case HTTPStatus.UNAUTHORIZED if credential is Credential.LOGIN:
            return TokenRefusedError(
                f"{server} does not accept your login: {reason}", "Run `doorward login`."
            )
        case HTTPStatus.FORBIDDEN if credential is Credential.LOGIN:
            return RefusalError(
                f"{server} does not allow this: {reason}",
                "Ask an administrator of the tenant.",
                code=problem.code,
            )
        case HTTPStatus.TOO_MANY_REQUESTS:
            return UnreachableError(f"{server} asks for patience: {reason}", _when(answer))
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return UnreachableError(f"{server} cannot answer now: {reason}", _when(answer))
        case _:
            # Who sends one of our codes is a Doorward: the address was right.
            remedy = "" if problem.code else "Check --server, or ask its operator."
            return RefusalError(f"{server} refused: {reason}", remedy, code=problem.code)


def reason_of(answer: Answer, problem: Problem) -> str:
    """The server's own sentence (RFC 9457) where it sent one, and the id by which it is found in the log."""
    sentence = problem.detail or problem.title or f"status {answer.status}."
    return f"{sentence} (request id {problem.request_id})" if problem.request_id else sentence


def _when(answer: Answer) -> str:
    wait = answer.retry_after or ""
    is_seconds = wait.isascii() and wait.isdigit()
    return f"Try again in {wait} seconds." if is_seconds else "Try again later."
