"""Which addresses a token may travel to, and the one spelling of a server's address."""

import re
from typing import Final

from yarl import URL

from cli.errors import CliError, InvalidServerError
from common.env import is_loopback, is_plain_http_url

DEFAULT_SERVER: Final = "http://localhost:8080"
DEFAULT_AGENT: Final = "http://127.0.0.1:9081"
DEFAULT_PRIVATE_LISTENER: Final = "http://127.0.0.1:9082"

_QUERY_OR_FRAGMENT: Final = re.compile(r"[?#]")


def server_address(text: str) -> str:
    """The server's address as it is stored and shown: lower case, no default port, no slash at the end.

    Raises `InvalidServerError` for what is no address and for plain http that leaves this machine.
    """
    if not is_plain_http_url(text):
        raise InvalidServerError(
            f"{text!r} is not the address of a server.",
            "Write it like https://doorward.example.com, without user, query and fragment.",
        )
    url = URL(text)
    if url.scheme != "https" and not is_loopback(text):
        raise InvalidServerError(
            f"{text} is plain http, so that everybody on the way could read your tokens.",
            "Use https; plain http is for this machine alone.",
        )
    return f"{url.origin()}{url.raw_path.rstrip('/')}"


def ensure_safe(address: str) -> None:
    """Raises `CliError` unless the address is https, or http on this machine, and spelled without tricks.

    Every request goes through here, since most addresses come from another machine's answer.
    """
    without_query = _QUERY_OR_FRAGMENT.split(address, maxsplit=1)[0]
    is_printable = address.isascii() and address.isprintable() and not set(address) & set(' \\"<>')
    if not is_printable or not is_plain_http_url(without_query):
        raise CliError(f"The server names an address that cannot be used: {address!r}.", _ASK_THE_OPERATOR)
    if not address.startswith("https:") and not is_loopback(without_query):
        raise CliError(
            f"{address} is plain http, so that everybody on the way could read your tokens.",
            _ASK_THE_OPERATOR,
        )


def ensure_named_by(server: str, address: str) -> None:
    """As `ensure_safe`, and https where the server is: it must not steer us to services of this machine."""
    ensure_safe(address)
    if server.startswith("https:") and not address.startswith("https:"):
        raise CliError(f"{server} names {address}, which is not https.", _ASK_THE_OPERATOR)


_ASK_THE_OPERATOR: Final = "Ask the operator of the server for an https address."
