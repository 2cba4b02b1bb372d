"""Prometheus metrics of one server: a registry of its own, so that two servers in one process do not mix."""

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0


class RequestMetrics:
    """Counts requests by route pattern. Raw paths are never labels: they are as many as clients like."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "http_requests", "Answered requests", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram("http_request_seconds", "Time to answer", ["route"], registry=registry)

    def answered(self, *, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)


def metrics_response(registry: CollectorRegistry) -> web.Response:
    """The text that Prometheus reads."""
    response = web.Response(body=generate_latest(registry))
    response.headers["Content-Type"] = CONTENT_TYPE_PLAIN_1_0_0
    return response
