"""What is asked of the Doorward server."""

from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlencode

from cli.addresses import ensure_named_by
from cli.answers import Explanation, Problem, Provider, User, decode
from cli.client import Answer, Client
from cli.errors import CliError, TokenRefusedError, UnreachableError

T = TypeVar("T")


def provider_of(client: Client, server: str) -> Provider:
    """Whom this server lets command lines log in with: the device-mode agent knows."""
    answer = client.get(f"{server}/login/start")
    if answer.status == HTTPStatus.NOT_FOUND:
        raise CliError(f"There is no Doorward at {server}.", "Check --server.")
    provider = _expect(answer, server, Provider)
    if provider.audience_param != "none" and not provider.audience:
        raise CliError(
            f"{server} wants an audience but names none.", "Ask its operator to set OIDC_AUDIENCE."
        )
    for endpoint in (
        provider.device_authorization_endpoint,
        provider.token_endpoint,
        provider.revocation_endpoint,
    ):
        if endpoint is not None:
            ensure_named_by(server, endpoint)
    return provider


def ask_who_i_am(client: Client, server: str, access_token: str) -> tuple[User, dict[str, object]]:
    """The user of this token, and the whole answer for machines, fields that we do not know included."""
    answer = client.get(f"{server}/api/v1/users/me", access_token=access_token)
    return _expect(answer, server, User), _expect(answer, server, dict[str, object])


def explain_route(
    client: Client, agent: str, method: str, path: str
) -> tuple[Explanation, dict[str, object]]:
    """Which route this request would meet, and the whole answer. `agent` is its private listener."""
    query = urlencode({"method": method, "path": path})
    answer = client.get(f"{agent}/routes/explain?{query}")
    if answer.status == HTTPStatus.NOT_FOUND:
        raise CliError(
            f"{agent} explains no routes.",
            "Check --agent: it must be the PRIVATE_LISTEN address of the agent.",
        )
    if answer.status == HTTPStatus.BAD_REQUEST:
        raise CliError(f"{agent} refused: {_reason(answer)}")
    return _expect(answer, agent, Explanation), _expect(answer, agent, dict[str, object])


def _expect(answer: Answer, server: str, type_: type[T]) -> T:
    if answer.status != HTTPStatus.OK:
        raise _failure(answer, server)
    decoded = decode(answer.body, type_)
    if decoded is None:
        raise CliError(
            f"The answer of {server} is not what a Doorward server says to a command line.",
            "Check --server, and that the proxy before it tells command lines by their User-Agent.",
        )
    return decoded


def _failure(answer: Answer, server: str) -> CliError:
    reason = _reason(answer)
    match answer.status:
        case HTTPStatus.UNAUTHORIZED:
            return TokenRefusedError(
                f"{server} does not accept your login: {reason}", "Run `doorward login`."
            )
        case HTTPStatus.FORBIDDEN:
            return CliError(f"{server} does not allow this: {reason}", "Ask an administrator of the tenant.")
        case HTTPStatus.TOO_MANY_REQUESTS:
            return UnreachableError(f"{server} asks for patience: {reason}", _when(answer))
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return UnreachableError(f"{server} cannot answer now: {reason}", _when(answer))
        case _:
            return CliError(f"{server} refused: {reason}", "Check --server, or ask its operator.")


def _reason(answer: Answer) -> str:
    """The server's own sentence (RFC 9457) where it sent one, and the id by which it is found in the log."""
    problem = decode(answer.body, Problem) or Problem()
    sentence = problem.detail or problem.title or f"status {answer.status}."
    return f"{sentence} (request id {problem.request_id})" if problem.request_id else sentence


def _when(answer: Answer) -> str:
    wait = answer.retry_after or ""
    is_seconds = wait.isascii() and wait.isdigit()
    return f"Try again in {wait} seconds." if is_seconds else "Try again later."
