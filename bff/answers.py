"""Who reads the answer: a script that wants JSON, or a person in front of a page. Decided here alone."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from common.problems import ProblemCode, ProblemError, problem_json
from common.request_keys import REQUEST_ID

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>{title}</title></head>
<body><main><h1>{title}</h1><p>{detail}</p><p><a href="{link}">{label}</a></p>
<p><small>Request {request_id}</small></p></main></body></html>
"""
PAGE_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"


def wants_json(headers: Mapping[str, str]) -> bool:
    """A request by script: `Accept` names JSON, or the browser says that it is not a navigation."""
    if "application/json" in headers.get("Accept", ""):
        return True
    return headers.get("Sec-Fetch-Mode", "navigate") != "navigate"


def is_for_a_person(headers: Mapping[str, str]) -> bool:
    """A page load. Without fetch metadata, only an `Accept` that names HTML says so."""
    return not wants_json(headers) and "text/html" in headers.get("Accept", "")


@dataclass(frozen=True)
class ProblemAnswers:
    """A small page for a person, the RFC 9457 body for everybody else."""

    prefix: str

    def __call__(self, request: web.Request, problem: ProblemError) -> web.Response:
        if is_for_a_person(request.headers):
            return _page(request, problem, self._login(request))
        return problem_json(request, problem)

    def _login(self, request: web.Request) -> str:
        """The same login once more where it was just tried, with its return address."""
        start = f"{self.prefix}/login/start"
        query = request.rel_url.raw_query_string
        return f"{start}?{query}" if request.path == start and query else start


def _page(request: web.Request, problem: ProblemError, login: str) -> web.Response:
    text = problem_page(problem, str(request.get(REQUEST_ID)), login)
    headers = {**problem.headers, "Content-Security-Policy": PAGE_POLICY}
    return web.Response(
        text=text, content_type="text/html", status=HTTPStatus(problem.status), headers=headers
    )


def problem_page(problem: ProblemError, request_id: str, login: str) -> str:
    """`login`: where a login starts, offered when it was one that failed."""
    is_login = problem.code in {ProblemCode.LOGIN_FAILED, ProblemCode.PROVIDER_UNAVAILABLE}
    return _PAGE.format(
        title=html.escape(problem.title),
        detail=html.escape(problem.detail),
        link=html.escape(login) if is_login else "/",
        label="Try again" if is_login else "Back to the start",
        request_id=html.escape(request_id),
    )
