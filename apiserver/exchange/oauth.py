"""Refusals as OAuth clients read them (RFC 6749 section 5.2), on the endpoints that speak OAuth."""

from http import HTTPStatus

import msgspec
from aiohttp import web

from common.problems import ProblemCode, ProblemError, Render, problem_json

_ERRORS_OF_STATUS = {
    HTTPStatus.UNAUTHORIZED: "invalid_token",
    HTTPStatus.FORBIDDEN: "access_denied",
    HTTPStatus.TOO_MANY_REQUESTS: "temporarily_unavailable",
    HTTPStatus.SERVICE_UNAVAILABLE: "temporarily_unavailable",
    HTTPStatus.INTERNAL_SERVER_ERROR: "server_error",
}
_ERRORS_OF_CODE = {ProblemCode.INSUFFICIENT_SCOPE: "insufficient_scope"}


class OAuthErrorBody(msgspec.Struct, frozen=True):
    """A refusal (RFC 6749 section 5.2). `error_description` is for people."""

    error: str
    error_description: str


class OAuthError(ProblemError):
    """Status 400 and this `error`. `cause` is a word for the log."""

    def __init__(self, error: str, description: str, *, cause: str | None = None) -> None:
        super().__init__(ProblemCode.BAD_REQUEST, description, cause=cause or error)
        self.error = error


def render_with_oauth(oauth_paths: frozenset[str]) -> Render:
    """Refusals below these paths as OAuth errors, all others as problems."""

    def render(request: web.Request, problem: ProblemError) -> web.Response:
        return _oauth_json(problem) if request.path in oauth_paths else problem_json(request, problem)

    return render


def _oauth_json(problem: ProblemError) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(OAuthErrorBody(_error_of(problem), _plain(problem.detail))),
        status=problem.status,
        headers=problem.headers,
        content_type="application/json",
    )


def _error_of(problem: ProblemError) -> str:
    if isinstance(problem, OAuthError):
        return problem.error
    return _ERRORS_OF_CODE.get(problem.code) or _ERRORS_OF_STATUS.get(problem.status, "invalid_request")


def _plain(text: str) -> str:
    """RFC 6749 section 5.2: printable ASCII without quotes and backslashes."""
    return "".join(sign if " " <= sign <= "~" and sign not in '"\\' else "'" for sign in text)
