"""Schemathesis against the real server: it makes requests of the served document, and judges the answers."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import Interaction, ScenarioRecorder
from schemathesis.schemas import BaseSchema

from common.problems import ProblemCode
from tests.apiserver.callers import holder, user
from tests.apiserver.server import AUDIENCE, ApiServer, api_server
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer


@dataclass(frozen=True)
class Served:
    """A running server, and a credential of each kind."""

    url: str
    user: str
    registration_token: str
    device: str
    leaving_device: str


@contextmanager
def served(directory: Path) -> Iterator[Served]:
    """The server in a thread of its own, since Schemathesis waits for each answer. Its clock stands."""
    ready: Future[Served] = Future()
    loop, is_over = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        clock = FakeClock()
        async with (
            FakeIssuer.start(audience=AUDIENCE, clock=clock) as issuer,
            api_server(issuer, directory / "doorward.db", clock) as server,
        ):
            ready.set_result(await _callers(server, issuer))
            await is_over.wait()

    with ThreadPoolExecutor(1) as threads:
        running: Future[None] = threads.submit(loop.run_until_complete, serve())
        either: set[Future[Any]] = {ready, running}
        wait(either, return_when=FIRST_COMPLETED)
        try:
            if running.done():
                running.result()
            yield ready.result()
        finally:
            loop.call_soon_threadsafe(is_over.set)
            running.result()
            loop.close()


async def _callers(server: ApiServer, issuer: FakeIssuer) -> Served:
    alice = user(server, issuer, "alice")
    made = await alice.done("POST", "/registration-tokens", {"label": "any"})
    machines = holder(server, made["token"])
    devices = [await machines.done("POST", "/devices", {"name": name}) for name in ("stays", "leaves")]
    return Served(
        url=str(server.public.make_url("/openapi.json")),
        user=issuer.access_token("alice"),
        registration_token=made["token"],
        device=devices[0]["device_token"],
        leaving_device=devices[1]["device_token"],
    )


def document(url: str, bearer: str, *, examples: int, with_coverage: bool = True) -> BaseSchema:
    """The served document, to be tried by whoever holds `bearer`."""
    load_all_checks()
    schema = schemathesis.openapi.from_url(url, config=SchemathesisConfig(seed=1))
    config = schema.config
    config.update(headers={"Authorization": f"Bearer {bearer}"})
    config.generation.update(max_examples=examples, deterministic=True, database="none")
    config.generation.with_security_parameters = False
    config.phases.coverage.enabled = with_coverage
    config.phases.stateful.enabled = False
    checks = config.checks
    # A schema cannot tell all that is asked of a text, a time or a cursor.
    checks.positive_data_acceptance.enabled = False
    # What is no entity tag of ours matches none.
    checks.negative_data_rejection.expected_statuses.append("412")
    return schema


def faults(schema: BaseSchema) -> list[str]:
    """What is wrong with the answers: once for each operation and check."""
    found: dict[tuple[str, str], str] = {}
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            for name, told in _faults_of(event.recorder):
                found.setdefault((event.recorder.label, name), told)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            found["engine", type(event).__name__] = str(event)
    return [f"{label}: {name}: {told}" for (label, name), told in found.items()]


def _faults_of(recorder: ScenarioRecorder) -> Iterator[tuple[str, str]]:
    for checks in recorder.checks.values():
        for check in checks:
            if (info := check.failure_info) is not None:
                yield check.name, f"{info.failure.message}\n{info.code_sample}"
    for interaction in recorder.interactions.values():
        if (fault := _fault_of_refusal(interaction)) is not None:
            yield "refusal", f"{fault}: {interaction.request.method} {interaction.request.uri}"


def _fault_of_refusal(interaction: Interaction) -> str | None:
    """Also of those that Schemathesis does not look at: the document cannot speak of other methods."""
    response = interaction.response
    if response is None or response.status_code < 400:
        return None
    if response.headers.get("content-type") != ["application/problem+json"]:
        return f"{response.status_code} is no problem"
    # A refusal of HEAD has no body.
    problem = json.loads(response.content) if response.content else {"code": "not_found"}
    if problem["code"] not in set(ProblemCode):
        return f"the code {problem['code']}"
    if response.content and [problem["request_id"]] != response.headers.get("x-request-id"):
        return "its request id is another one"
    return None
