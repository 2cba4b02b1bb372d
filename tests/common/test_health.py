"""The private listener: alive, ready or why not, and metrics."""

from aiohttp import web
from prometheus_client import CollectorRegistry

from common.health import Health
from common.metrics import RequestMetrics
from tests.common.server import serving


class Part:
    def __init__(self) -> None:
        self.lacks: str | None = None

    def fault(self) -> str | None:
        return self.lacks


def app_of(**parts: Part) -> web.Application:
    return Health({name: part.fault for name, part in parts.items()}, CollectorRegistry()).private_app()


async def test_readiness_tells_what_each_part_lacks_and_recovers() -> None:
    provider, store = Part(), Part()
    async with serving(app_of(provider=provider, store=store)) as client:
        ready = await client.get("/readyz")
        provider.lacks, store.lacks = "It does not answer.", "It is full."
        lacking = await client.get("/readyz")
        provider.lacks = None
        partly = await client.get("/readyz")
        store.lacks = None
        recovered = await client.get("/readyz")

    assert (ready.status_code, ready.json()) == (200, {"ready": True, "faults": {}})
    faults = {"provider": "It does not answer.", "store": "It is full."}
    assert (lacking.status_code, lacking.json()) == (503, {"ready": False, "faults": faults})
    assert (partly.status_code, partly.json()["faults"]) == (503, {"store": "It is full."})
    assert recovered.status_code == 200


async def test_being_alive_does_not_depend_on_neighbours() -> None:
    provider = Part()
    provider.lacks = "It does not answer."
    async with serving(app_of(provider=provider)) as client:
        answer = await client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"alive": True})


async def test_metrics_are_those_of_this_server() -> None:
    registry = CollectorRegistry()
    RequestMetrics(registry).answered(method="GET", route="/x", status=200, seconds=0.1)
    async with serving(Health({}, registry).private_app()) as client:
        answer = await client.get("/metrics")

    assert answer.headers["Content-Type"].startswith("text/plain; version=1.0.0")
    assert 'http_requests_total{method="GET",route="/x",status="200"} 1.0' in answer.text
