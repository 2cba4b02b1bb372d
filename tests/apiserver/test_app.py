"""What holds for every request, whatever the route."""

import json
from pathlib import Path

import pytest

from apiserver.errors import StorageUnavailableError
from apiserver.limits import BODY_LIMIT_BYTES
from tests.apiserver.broken import broken_server
from tests.apiserver.server import ME, ApiServer
from tests.fakes.issuer import FakeIssuer


@pytest.mark.parametrize(
    "path",
    ["/", "/api/v1/users", "/api/v1/users/me/", "/api//v1/users/me", "/healthz", "/readyz", "/metrics"],
)
async def test_what_is_not_there_is_a_problem(server: ApiServer, path: str) -> None:
    answer = await server.public.get(path)

    assert answer.status == 404
    assert answer.content_type == "application/problem+json"
    assert (await answer.json())["code"] == "not_found"


async def test_a_wrong_method_is_told_the_right_ones(server: ApiServer) -> None:
    answer = await server.public.delete(ME)

    assert answer.status == 405
    assert set(answer.headers["Allow"].split(",")) == {"GET", "HEAD"}
    assert (await answer.json())["code"] == "method_not_allowed"


async def test_a_large_body_is_refused_before_it_is_read(server: ApiServer, issuer: FakeIssuer) -> None:
    bearer = {"Authorization": f"Bearer {issuer.access_token()}"}

    answer = await server.public.request("GET", ME, headers=bearer, data=b"x" * (BODY_LIMIT_BYTES + 1))

    assert answer.status == 413
    assert (await answer.json())["code"] == "request_too_large"


async def test_answers_are_not_cached_nor_guessed_at(server: ApiServer, issuer: FakeIssuer) -> None:
    answer = await server.get_me(issuer.access_token())

    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_client_cannot_choose_the_request_id(server: ApiServer) -> None:
    answer = await server.public.get("/openapi.json", headers={"X-Request-Id": "chosen"})

    assert answer.headers["X-Request-Id"] != "chosen"


async def test_the_request_log_names_the_user_by_id_and_nothing_else(
    server: ApiServer, issuer: FakeIssuer, capsys: pytest.CaptureFixture[str]
) -> None:
    token = issuer.access_token(name="Alice Example", email="alice@example.test")
    me = await server.me(token)

    written = capsys.readouterr().out
    assert me["id"] in written
    for private in ("Alice Example", "alice@example.test", *token.split(".")):
        assert private not in written


async def test_an_unexpected_error_is_answered_without_its_text(
    server: ApiServer, issuer: FakeIssuer, database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = RuntimeError("the text of the error")
    async with broken_server(server, issuer, database, error) as broken:
        answer = await broken.get_me(issuer.access_token())

        body = await answer.json()
        assert answer.status == 500
        assert body["code"] == "internal_error"
        assert body["request_id"] == answer.headers["X-Request-Id"]
        assert "the text of the error" not in json.dumps(body)
        written = capsys.readouterr().out
        assert body["request_id"] in written
        assert "the text of the error" not in written


async def test_a_storage_that_is_away_is_no_refusal_of_the_token(
    server: ApiServer, issuer: FakeIssuer, database: Path
) -> None:
    error = StorageUnavailableError("SQLITE_FULL")
    async with broken_server(server, issuer, database, error) as broken:
        answer = await broken.get_me(issuer.access_token())

        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert (await answer.json())["code"] == "store_unavailable"


async def test_a_server_is_not_ready_until_its_storage_answers(
    server: ApiServer, issuer: FakeIssuer, database: Path
) -> None:
    await server.me(issuer.access_token())
    error = StorageUnavailableError("SQLITE_IOERR")
    async with broken_server(server, issuer, database, error) as broken:
        before = await (await broken.private.get("/readyz")).json()
        await broken.parts.storage_watch.look()
        after = await (await broken.private.get("/readyz")).json()

        assert before["faults"] == {"storage": "The storage has not been asked yet."}
        assert after["faults"] == {"storage": "The storage does not answer (SQLITE_IOERR)."}


async def test_health_and_metrics_are_on_the_private_listener(server: ApiServer, issuer: FakeIssuer) -> None:
    await server.me(issuer.access_token())
    metrics = await (await server.private.get("/metrics")).text()

    assert (await server.private.get("/healthz")).status == 200
    assert (await server.private.get("/readyz")).status == 200
    assert 'http_requests_total{method="GET",route="/api/v1/users/me",status="200"} 1.0' in metrics
