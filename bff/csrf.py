"""Cross-site writes: the cookie alone never proves that this site's own page sent the request."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from aiohttp import web

from common.problems import ProblemCode, ProblemError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


@dataclass(frozen=True)
class CsrfRules:
    """`origins`: our own origin and the configured ones."""

    origins: Collection[str]

    def check(self, request: web.Request) -> None:
        """Raises `ProblemError` for an unsafe request that another site may have caused."""
        refusal = refusal_of(request.method, request.headers, self.origins)
        if refusal is not None:
            raise cross_site_problem(refusal)


def cross_site_problem(refusal: str) -> ProblemError:
    detail = "A write needs the header `X-CSRF: 1`, or to come from a page of this origin."
    return ProblemError(ProblemCode.CROSS_SITE_REQUEST, detail, cause=refusal)


def refusal_of(method: str, headers: Mapping[str, str], origins: Collection[str]) -> str | None:
    """Why an unsafe request is refused, or None. Judged by what page scripts cannot forge."""
    if method in SAFE_METHODS:
        return None
    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
    is_known_origin = origin is not None and origin in origins
    # Refused whatever else is sent: a header that a lenient CORS setup lets through must not open the door.
    if origin is not None and not is_known_origin:
        return "foreign_origin"
    if site == "cross-site" and not is_known_origin:
        return "cross_site"
    # X-CSRF cannot be set across sites without a preflight, which is answered for known origins only.
    if site == "same-origin" or is_known_origin or headers.get("X-CSRF") == "1":
        return None
    return "no_proof_of_origin"
