"""Asking the upstreams of a route how they are: a background task for each, where the file names `health`."""

import asyncio
from typing import Final

import aiohttp
from yarl import URL

from bff.proxy.route_table import HealthCheck, ProxyRoute, UpstreamAddress
from bff.proxy.targets import Targets
from common.tasks import Tasks

LONGEST_CHECK_S: Final = 5.0
_FIRST_GOOD, _FIRST_NOT_GOOD = 200, 300


def start_health_checks(tasks: Tasks, route: ProxyRoute, targets: Targets) -> None:
    """Until `tasks` are closed. Until the first check an upstream counts as well."""
    if route.health is None:
        return
    for address in route.upstreams:
        _start(tasks, route.health, address, targets)


def _start(tasks: Tasks, check: HealthCheck, address: UpstreamAddress, targets: Targets) -> None:
    async def look() -> None:
        while True:
            targets.checked(address, await fault_of(address, check))
            await asyncio.sleep(check.interval_s)

    tasks.keep_running("upstream_health", look)


async def fault_of(address: UpstreamAddress, check: HealthCheck) -> str | None:
    """What is wrong, as a word for the log; None for any 2xx. Over a connection of its own, closed after."""
    url = URL(f"{address.scheme}://{address.authority}{check.path}", encoded=True)
    timeout = aiohttp.ClientTimeout(total=min(LONGEST_CHECK_S, check.interval_s))
    try:
        async with (
            aiohttp.ClientSession(
                connector=_connector(address),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=timeout,
                trust_env=False,
            ) as client,
            # A redirect is no answer about this upstream, and may lead to another one.
            client.get(url, allow_redirects=False) as answer,
        ):
            is_good = _FIRST_GOOD <= answer.status < _FIRST_NOT_GOOD
            return None if is_good else f"status_{answer.status}"
    except TimeoutError:
        return "timeout"
    except (aiohttp.ClientError, OSError):
        return "connection"


def _connector(address: UpstreamAddress) -> aiohttp.BaseConnector:
    if address.unix_path is not None:
        return aiohttp.UnixConnector(address.unix_path, force_close=True)
    return aiohttp.TCPConnector(force_close=True)
