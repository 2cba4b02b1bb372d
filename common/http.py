"""The client for calls to the provider: bounded answers, no redirects, one deadline for an exchange."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TypeAlias, cast

import httpx

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

ANSWER_LIMIT_BYTES = 512 * 1024
EXCHANGE_TIME_S = 10.0

_TIMEOUTS = httpx.Timeout(EXCHANGE_TIME_S, connect=5.0)


class ExchangeError(Exception):
    """The other side could not be asked or gave no usable answer. `cause` is a word for log and counter."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class BoundedTransport(httpx.AsyncBaseTransport):
    """Refuses answers that are larger than a limit or compressed.

    Ten kilobytes of compressed zeros become ten megabytes: so compression is neither asked for nor undone.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, limit_bytes: int = ANSWER_LIMIT_BYTES) -> None:
        self._inner = inner
        self._limit_bytes = limit_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["Accept-Encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            await response.aclose()
            raise httpx.DecodingError("the answer is compressed", request=request)
        stream = cast("httpx.AsyncByteStream", response.stream)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_BoundedStream(stream, self._limit_bytes),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


class _BoundedStream(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, limit_bytes: int) -> None:
        self._inner = inner
        self._left = limit_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            self._left -= len(chunk)
            if self._left < 0:
                raise httpx.DecodingError("the answer is larger than the limit")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def open_client(*, user_agent: str, insecure_tls: bool = False) -> httpx.AsyncClient:
    """A client with a pool of its own; the caller closes it."""
    # Proxies and .netrc of the environment are not looked at: a stray http_proxy would see client secrets.
    transport = httpx.AsyncHTTPTransport(verify=not insecure_tls, trust_env=False)
    return httpx.AsyncClient(
        transport=BoundedTransport(transport),
        # It serves all users: a cookie from one answer would go out with somebody else's request.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        timeout=_TIMEOUTS,
        headers={"User-Agent": user_agent},
        follow_redirects=False,
        trust_env=False,
    )


async def exchange(
    client: httpx.AsyncClient, request: httpx.Request, time_s: float = EXCHANGE_TIME_S
) -> httpx.Response:
    """Send and read the whole answer within one deadline; raises `ExchangeError`.

    httpx's own timeouts count single reads: a peer that sends a byte a second would never meet them.
    """
    try:
        async with asyncio.timeout(time_s):
            return await client.send(request)
    except (TimeoutError, httpx.TimeoutException) as error:
        raise ExchangeError("timeout") from error
    except httpx.DecodingError as error:
        raise ExchangeError("unusable_answer") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ExchangeError("connection") from error


def json_object(response: httpx.Response) -> Mapping[str, Json]:
    """The body as a JSON object; raises `ExchangeError` when it is anything else."""
    try:
        value = json.loads(response.content)
    except (ValueError, RecursionError) as error:
        raise ExchangeError("not_json") from error
    if not isinstance(value, dict):
        raise ExchangeError("not_an_object")
    return cast("Mapping[str, Json]", value)


async def get_object(client: httpx.AsyncClient, url: str) -> Mapping[str, Json]:
    """GET a JSON object; anything but a 200 that holds one raises `ExchangeError`."""
    response = await exchange(
        client, client.build_request("GET", url, headers={"Accept": "application/json"})
    )
    if response.status_code != httpx.codes.OK:
        raise ExchangeError(f"status_{response.status_code}")
    return json_object(response)
