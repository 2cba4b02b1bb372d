"""Liveness, readiness and metrics, served on the private listener alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry

from common.metrics import metrics_response

ReadinessCheck = Callable[[], "str | None"]


@dataclass(frozen=True)
class Health:
    """`checks` maps a part's name to a function that says in a sentence what it lacks, or None."""

    checks: Mapping[str, ReadinessCheck]
    registry: CollectorRegistry

    async def live(self, _request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def ready(self, _request: web.Request) -> web.Response:
        """200 when every part can do its work, 503 with the reasons otherwise."""
        faults = {name: fault for name, check in self.checks.items() if (fault := check()) is not None}
        return web.json_response({"ready": not faults, "faults": faults}, status=503 if faults else 200)

    async def metrics(self, _request: web.Request) -> web.Response:
        return metrics_response(self.registry)

    def private_app(self) -> web.Application:
        """The application of the private listener."""
        app = web.Application()
        app.router.add_get("/healthz", self.live)
        app.router.add_get("/readyz", self.ready)
        app.router.add_get("/metrics", self.metrics)
        return app
