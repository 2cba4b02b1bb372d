"""Answers as bytes: the head that comes down, and the refusals that the front writes itself."""

from collections.abc import Collection

from bff.answers import PAGE_POLICY, is_for_a_person, problem_page
from bff.cors import answer_headers
from bff.proxy.headers import CookieNames, answer_lines, default_lines, length_line
from bff.proxy.heads import AnswerHead, RequestHead
from common.problems import ProblemError, problem_body

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_PRIVATE = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_SEEN_BY_A_PAGE = {b"accept": "Accept", b"sec-fetch-mode": "Sec-Fetch-Mode"}


def cors_lines(head: RequestHead, origins: Collection[str]) -> bytes:
    """What a page of a configured origin needs to read the answer; nothing without such origins."""
    if not origins:
        return b""
    origin = head.values.get(b"origin", b"").decode("latin-1")
    return header_lines(answer_headers(origin, origins))


def answer_head(
    answer: AnswerHead, head: RequestHead, cookies: CookieNames, request_id: bytes, connection: bytes
) -> bytes:
    """The head of a final answer, or of a switch. `connection`: the lines on framing, keep-alive and CORS."""
    return b"".join(
        (
            b"HTTP/1.1 %d %b\r\n" % (answer.status, answer.reason),
            *answer_lines(answer, cookies),
            default_lines(answer),
            length_line(answer, is_for_head=head.method == b"HEAD"),
            b"X-Request-Id: %b\r\n" % request_id,
            connection,
            b"\r\n",
        )
    )


def interim_head(answer: AnswerHead, cookies: CookieNames) -> bytes:
    lines = answer_lines(answer, cookies)
    return b"".join([b"HTTP/1.1 %d %b\r\n" % (answer.status, answer.reason), *lines, b"\r\n"])


def problem_answer(
    problem: ProblemError, head: RequestHead | None, request_id: str, *, login: str | None, connection: bytes
) -> bytes:
    """A page for a person, the RFC 9457 body for everybody else. `head` is None when it could not be read.

    `login`: where the page leads to; None where there is to be no page.
    """
    headers = {**_PRIVATE, **problem.headers, "X-Request-Id": request_id}
    if head is not None and login is not None and is_for_a_person(_seen(head)):
        body = problem_page(problem, request_id, login).encode()
        headers |= {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": PAGE_POLICY}
    else:
        body = problem_body(problem, request_id)
        headers["Content-Type"] = "application/problem+json"
    headers["Content-Length"] = str(len(body))
    status = f"HTTP/1.1 {problem.status.value} {problem.status.phrase}\r\n".encode()
    is_for_head = head is not None and head.method == b"HEAD"
    return b"".join([status, header_lines(headers), connection, b"\r\n", b"" if is_for_head else body])


def header_lines(headers: dict[str, str]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")


def _seen(head: RequestHead) -> dict[str, str]:
    found = {name: head.values.get(plain) for plain, name in _SEEN_BY_A_PAGE.items()}
    return {name: value.decode("latin-1") for name, value in found.items() if value is not None}
