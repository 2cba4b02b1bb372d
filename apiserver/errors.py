"""Errors that more than one package of this server raises or meets.

    ProblemError (common.problems)
      StorageUnavailableError

Each has its stable code; `common.problems` turns the code into status and body.
"""

from common.problems import ProblemCode, ProblemError

_RETRY_AFTER_S = 2


class StorageUnavailableError(ProblemError):
    """The storage did not do it, now: locked, full, unreachable. Nothing of the transaction was kept.

    One exception: a PostgreSQL that goes away while it commits may have kept all of it. What makes something
    can be repeated with its `Idempotency-Key`. `cause` is the engine's word for it.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(
            ProblemCode.STORE_UNAVAILABLE,
            "The storage cannot do this now. Try again.",
            cause=cause,
            retry_after_s=_RETRY_AFTER_S,
        )
