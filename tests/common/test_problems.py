"""Refusals as RFC 9457 bodies, and errors of ours that tell nobody anything."""

import json

import httpx
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from structlog.testing import capture_logs

from common.problems import PROBLEMS, ProblemCode, ProblemError, problem_middleware
from common.request_keys import REQUEST_ID
from tests.common.server import serving

SECRET = "the-secret-that-a-client-sent"


@web.middleware
async def named(request: web.Request, handler: Handler) -> web.StreamResponse:
    request[REQUEST_ID] = "request-1"
    return await handler(request)


async def refusing(_request: web.Request) -> web.Response:
    raise ProblemError(
        ProblemCode.STORE_UNAVAILABLE, "Try again.", cause="timeout", retry_after_s=7, headers={"X-Why": "y"}
    )


async def failing(request: web.Request) -> web.Response:
    raise ValueError(f"cannot read {request.query['token']}")


async def redirecting(_request: web.Request) -> web.Response:
    raise web.HTTPFound("/elsewhere")


async def reading(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def teapot(_request: web.Request) -> web.Response:
    raise web.HTTPConflict(text=SECRET)


def app() -> web.Application:
    application = web.Application(middlewares=[named, problem_middleware()], client_max_size=1024)
    application.router.add_get("/refusing", refusing)
    application.router.add_get("/failing", failing)
    application.router.add_get("/redirecting", redirecting)
    application.router.add_post("/reading", reading)
    application.router.add_get("/teapot", teapot)
    return application


async def answer_of(method: str, path: str, **arguments: bytes) -> httpx.Response:
    async with serving(app()) as client:
        return await client.request(method, path, content=arguments.get("content"))


async def test_a_refusal_has_a_code_a_sentence_and_the_id_of_its_request() -> None:
    answer = await answer_of("GET", "/refusing")

    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.headers["Retry-After"], answer.headers["X-Why"]) == ("7", "y")
    assert answer.json() == {
        "type": "urn:doorward:problem:store_unavailable",
        "title": "The storage is away",
        "status": 503,
        "detail": "Try again.",
        "code": "store_unavailable",
        "request_id": "request-1",
    }


async def test_the_cause_is_for_the_log_alone() -> None:
    with capture_logs() as logs:
        answer = await answer_of("GET", "/refusing")

    assert "timeout" not in answer.text
    assert {"cause": "timeout", "code": "store_unavailable", "request_id": "request-1"}.items() <= logs[
        -1
    ].items()


async def test_an_error_of_ours_leaks_nothing_to_the_client_or_into_the_log() -> None:
    with capture_logs() as logs:
        answer = await answer_of("GET", f"/failing?token={SECRET}")

    assert answer.status_code == 500
    assert (answer.json()["code"], answer.json()["request_id"]) == ("internal_error", "request-1")
    assert SECRET not in answer.text
    assert "ValueError" not in answer.text
    [entry] = [log for log in logs if log["event"] == "unexpected_error"]
    assert (entry["error"], entry["log_level"]) == ("ValueError", "error")
    assert any("in failing" in frame for frame in entry["frames"])
    assert SECRET not in json.dumps(logs)


async def test_nothing_at_an_address_is_a_problem_too() -> None:
    answer = await answer_of("GET", "/nowhere")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_wrong_method_says_which_are_right() -> None:
    answer = await answer_of("DELETE", "/reading")

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "POST"


async def test_a_body_that_is_too_large_is_a_413() -> None:
    answer = await answer_of("POST", "/reading", content=b"x" * 2000)

    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")


async def test_a_library_refusal_that_has_no_code_of_ours_shows_no_text_of_its_own() -> None:
    answer = await answer_of("GET", "/teapot")

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert SECRET not in answer.text


async def test_a_redirect_is_no_problem() -> None:
    answer = await answer_of("GET", "/redirecting")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/elsewhere")


@pytest.mark.parametrize("code", ProblemCode)
def test_every_code_has_an_error_status_and_a_title(code: ProblemCode) -> None:
    status, title = PROBLEMS[code]

    assert 400 <= status < 600
    assert title
