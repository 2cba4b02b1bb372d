"""The only HTTP of the command: bounded answers, no redirects, safe addresses, our User-Agent."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from types import FrameType
from typing import Final

import httpx
import msgspec

from cli.addresses import ensure_safe
from cli.errors import CliError, UnreachableError

ANSWER_LIMIT_BYTES: Final = 1024 * 1024
EXCHANGE_TIME_S: Final = 15.0

_CONNECT_S: Final = 5.0
# What is given more time than usual is silent meanwhile.
_SILENCE_S: Final = 10.0
_TRY_AGAIN: Final = "Check the address and your network, then try again."


def _version() -> str:
    try:
        return version("doorward")
    except PackageNotFoundError:
        # Run from a checkout that was never installed.
        return "dev"


VERSION: Final = _version()
USER_AGENT: Final = f"doorward-cli/{VERSION}"

_HEADERS: Final = {
    "User-Agent": USER_AGENT,
    "Accept": "application/json",
    # Ten kilobytes of compressed zeros become ten megabytes: compression is not asked for, nor undone.
    "Accept-Encoding": "identity",
}


@dataclass(frozen=True)
class Answer:
    """A whole answer. The body may be anything: `answers.decode` makes it a type."""

    status: int
    body: bytes
    retry_after: str | None

    def __repr__(self) -> str:
        return f"Answer({self.status}, {len(self.body)} bytes)"


class Client:
    """Asks servers and providers. Raises `UnreachableError` when there is no answer at all.

    Statuses are not judged here, redirects apart: none is followed, because the token or the form would
    travel with it to where nobody allowed it.
    """

    def __init__(self, stack: ExitStack, exchange_time_s: float) -> None:
        self._stack = stack
        self._exchange_time_s = exchange_time_s
        silence_s = _SILENCE_S if exchange_time_s <= EXCHANGE_TIME_S else exchange_time_s
        self._timeouts = httpx.Timeout(silence_s, connect=_CONNECT_S)

    @cached_property
    def _plain(self) -> httpx.Client:
        return self._stack.enter_context(_open_plain())

    @cached_property
    def _secure(self) -> httpx.Client:
        return self._stack.enter_context(_open_secure())

    def get(self, address: str, *, access_token: str | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {access_token}"} if access_token else {}
        return self._send("GET", address, headers=headers)

    def call(
        self,
        method: str,
        address: str,
        bearer: str,
        body: object = None,
        *,
        idempotency_key: str | None = None,
    ) -> Answer:
        """A request of the API; `body` becomes JSON, and the same one the same bytes each time."""
        headers = {"Authorization": f"Bearer {bearer}"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        if body is None:
            return self._send(method, address, headers=headers)
        headers["Content-Type"] = "application/json"
        return self._send(method, address, headers=headers, content=msgspec.json.encode(body))

    def post_json(self, address: str, body: object) -> Answer:
        """Without a login: for listeners whom nobody but their operator reaches."""
        headers = {"Content-Type": "application/json"}
        return self._send("POST", address, headers=headers, content=msgspec.json.encode(body))

    def post_form(self, address: str, form: Mapping[str, str]) -> Answer:
        return self._send("POST", address, form=form)

    def _send(
        self,
        method: str,
        address: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        ensure_safe(address)
        http = self._secure if address.startswith("https:") else self._plain
        try:
            with (
                _deadline(self._exchange_time_s),
                http.stream(
                    method, address, headers=headers, data=form, content=content, timeout=self._timeouts
                ) as response,
            ):
                body = _bounded_body(response)
                answer = Answer(response.status_code, body, response.headers.get("Retry-After"))
        except httpx.TimeoutException:
            raise UnreachableError(f"{origin_of(address)} did not answer in time.", _TRY_AGAIN) from None
        except httpx.ConnectError as error:
            reason = str(error).rpartition("] ")[2]
            raise UnreachableError(f"{origin_of(address)} cannot be reached: {reason}.", _TRY_AGAIN) from None
        except (httpx.HTTPError, httpx.InvalidURL):
            # The texts of these errors may quote what was sent.
            raise UnreachableError(f"{origin_of(address)} broke the connection off.", _TRY_AGAIN) from None
        if response.is_redirect:
            raise CliError(
                f"{origin_of(address)} redirects to another address, which is not followed with your login.",
                "Give the address where the server really is with --server.",
            )
        return answer


@contextmanager
def _deadline(time_s: float) -> Iterator[None]:
    """Raises `httpx.ReadTimeout` when the whole exchange takes too long.

    httpx's timeouts count single reads: a peer that sends a byte a second, of the head or of a chunk, would
    never meet them, and other processes wait for the lock meanwhile. So the system's alarm counts.
    """

    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise httpx.ReadTimeout("the whole answer took too long")

    former = signal.signal(signal.SIGALRM, give_up)
    running, _ = signal.setitimer(signal.ITIMER_REAL, time_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, running)
        signal.signal(signal.SIGALRM, former)


def _bounded_body(response: httpx.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > ANSWER_LIMIT_BYTES:
            raise CliError(f"{origin_of(str(response.url))} sent an answer that is too large to be right.")
    return bytes(body)


def origin_of(address: str) -> str:
    """Scheme, host and port, for messages: paths and queries are of no use to people."""
    url = httpx.URL(address)
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


@contextmanager
def open_client(exchange_time_s: float = EXCHANGE_TIME_S) -> Iterator[Client]:
    """A client with pools of its own, opened when they are needed."""
    with ExitStack() as stack:
        yield Client(stack, exchange_time_s)


def _open_plain() -> httpx.Client:
    # It is loopback alone: a stray http_proxy would get the tokens in clear, and reading certificates would
    # take most of a short command's time.
    return httpx.Client(headers=_HEADERS, trust_env=False, verify=False)  # noqa: S501 - no TLS


def _open_secure() -> httpx.Client:
    # A proxy of the environment sees ciphertext only; SSL_CERT_FILE may name a company's certificates.
    try:
        return httpx.Client(headers=_HEADERS)
    except (ImportError, ValueError) as error:
        raise CliError(
            f"The proxy that the environment names cannot be used: {error}.",
            "Look at HTTPS_PROXY and ALL_PROXY.",
        ) from None
