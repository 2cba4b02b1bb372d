"""Entity tags of single resources, against lost updates (RFC 9110 sections 8.8.3 and 13.1.1)."""

import re

from aiohttp import hdrs, web

from common.problems import ProblemCode, ProblemError

_TAG = re.compile(r'"([0-9]{1,18})"')


def etag(version: int) -> str:
    return f'"{version}"'


def expected_version(request: web.Request) -> int | None:
    """The version that a change was made from; None when the request does not care. Raises `ProblemError`."""
    conditions = request.headers.getall(hdrs.IF_MATCH, [])
    if not conditions or conditions == ["*"]:
        return None
    match = _TAG.fullmatch(", ".join(conditions))
    if match is None:
        # A weak tag or a list never matches here; to pass over them would lose an update.
        raise changed_meanwhile()
    return int(match[1])


def check_version(expected: int | None, version: int) -> None:
    """Raises `ProblemError` when what is changed is not what the caller saw."""
    if expected is not None and expected != version:
        raise changed_meanwhile()


def changed_meanwhile() -> ProblemError:
    return ProblemError(
        ProblemCode.PRECONDITION_FAILED,
        "It is not the version of If-Match any more. Read it again, then change it.",
    )
