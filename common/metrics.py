"""Prometheus metrics of one server: a registry of its own, so that two servers in one process do not mix."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from aiohttp import web
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0
from prometheus_client.registry import Collector

_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class RequestMetrics(Collector):
    """Counts requests by route pattern. Raw paths are never labels: they are as many as clients like.

    Plain numbers, made into samples when somebody asks: the library's counters take a lock for each request,
    and here one thread counts and tells.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counts: dict[tuple[str, str, int], int] = {}
        self._seconds: dict[str, _Times] = {}
        registry.register(self)

    def answered(self, *, method: str, route: str, status: int, seconds: float) -> None:
        key = (method, route, status)
        self._counts[key] = self._counts.get(key, 0) + 1
        times = self._seconds.get(route)
        if times is None:
            times = self._seconds[route] = _Times()
        times.buckets[bisect_left(_BOUNDS_S, seconds)] += 1
        times.total_s += seconds

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "http_requests", "Answered requests", labels=["method", "route", "status"]
        )
        for (method, route, status), count in self._counts.items():
            requests.add_metric([method, route, str(status)], count)
        yield requests
        seconds = HistogramMetricFamily("http_request_seconds", "Time to answer", labels=["route"])
        for route, times in self._seconds.items():
            seconds.add_metric([route], times.cumulative(), times.total_s)
        yield seconds


class _Times:
    """One more bucket than bounds: for what took longer than all of them."""

    __slots__ = ("buckets", "total_s")

    def __init__(self) -> None:
        self.buckets = [0] * (len(_BOUNDS_S) + 1)
        self.total_s = 0.0

    def cumulative(self) -> list[tuple[str, float]]:
        bounds = [*map(str, _BOUNDS_S), "+Inf"]
        return list(zip(bounds, accumulate(self.buckets), strict=True))


def metrics_response(registry: CollectorRegistry) -> web.Response:
    """The text that Prometheus reads."""
    response = web.Response(body=generate_latest(registry))
    response.headers["Content-Type"] = CONTENT_TYPE_PLAIN_1_0_0
    return response
