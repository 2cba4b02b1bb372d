"""Form bodies of the OAuth endpoints (RFC 6749 section 3.2 and appendix B), each parameter at most once."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import hdrs, web

from apiserver.exchange.oauth import OAuthError

LARGEST_FORM_BYTES = 12 * 1024
"""A JWT of eight kilobytes, and all that may stand beside it."""

_MOST_PARAMETERS = 20


async def read_form(request: web.Request) -> Mapping[str, str]:
    """The parameters that have a value. Raises `OAuthError`; what is repeated in vain is told by name."""
    _check_request(request)
    body = await _bounded_body(request)
    form: dict[str, str] = {}
    for name, value in _pairs(body):
        if name in form:
            # Which of the two counts would be for each reader to guess. RFC 8693 lets `audience` and
            # `resource` be repeated; a token for two audiences is none that we make.
            is_target = name in {"audience", "resource"}
            raise OAuthError("invalid_target" if is_target else "invalid_request", "A parameter is repeated.")
        form[name] = value
    # RFC 6749 section 3.2: without a value it counts as left out.
    return {name: value for name, value in form.items() if value}


def _check_request(request: web.Request) -> None:
    if request.query_string:
        # RFC 6749 section 2.3.1. Queries are kept in logs and histories.
        raise OAuthError("invalid_request", "Send parameters in the body, never in the query.")
    is_form = request.content_type == "application/x-www-form-urlencoded"
    if not is_form or hdrs.CONTENT_ENCODING in request.headers:
        raise OAuthError("invalid_request", "Send the body as application/x-www-form-urlencoded.")
    if (request.charset or "utf-8").lower() != "utf-8":
        raise OAuthError("invalid_request", "Send the body in UTF-8.")


async def _bounded_body(request: web.Request) -> bytes:
    body = await request.read()
    if len(body) > LARGEST_FORM_BYTES:
        raise OAuthError("invalid_request", f"The body may have {LARGEST_FORM_BYTES} bytes.")
    return body


def _pairs(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        raise OAuthError("invalid_request", "The body is no form that can be read.") from None
