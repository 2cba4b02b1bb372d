"""What a proxy asks about: which request, and a JWT for whom. Pure.

Two forms. `/authz` itself: the request is named by X-Forwarded-Method and X-Forwarded-Uri, which the proxy
sets (Caddy, Traefik, nginx). `/authz/<path>`: it is the method and the path of the question (Envoy).

Nothing here depends on method and path. That they are named is asked for all the same: a proxy that names
nothing was set up for something else, and what it would do with our answer nobody knows.
"""

from multidict import CIMultiDictProxy

from common.problems import ProblemCode, ProblemError

AUDIENCE_HEADER = "X-Authz-Audience"
_NAMING = ("X-Forwarded-Method", "X-Forwarded-Uri")


def check_names_request(path: str, headers: CIMultiDictProxy[str]) -> None:
    """Raises `ProblemError`."""
    if path != "/authz":
        return
    if any(len(headers.getall(name, [])) != 1 for name in _NAMING):
        raise ProblemError(
            ProblemCode.BAD_REQUEST, "The proxy must set X-Forwarded-Method and X-Forwarded-Uri, once each."
        )


def asked_audience(headers: CIMultiDictProxy[str], audiences: tuple[str, ...]) -> str:
    """For whom the JWT is to be made. Raises `ProblemError`."""
    asked = headers.getall(AUDIENCE_HEADER, [])
    if not asked:
        return audiences[0]
    if len(asked) > 1 or asked[0] not in audiences:
        raise ProblemError(
            ProblemCode.FORBIDDEN,
            f"The proxy asks by {AUDIENCE_HEADER} for an audience that TOKEN_AUDIENCES does not have.",
            cause="audience",
        )
    return asked[0]
