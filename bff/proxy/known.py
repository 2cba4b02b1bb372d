"""What forward-auth has worked out of a head before: the same proxies ask about the same browsers."""

from dataclasses import dataclass
from typing import cast

from bff.proxy.admission import Admission, Admitted
from bff.proxy.heads import RequestHead
from bff.proxy.verify import Question

MOST_KEPT = 8
LONGEST_KEPT = 256


@dataclass(frozen=True, slots=True)
class LookedAt:
    """What the bytes of a head alone come to, by the rules of `admission`.

    What a session has to do with it is never in it: that is read for each request.
    """

    admission: Admission
    question: Question
    admitted: Admitted


class Known:
    """The last addresses that were asked about with the same headers: browsers ask for a few again and again.

    Bounded in number and size, since it is the clients who choose what is in it.
    """

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[tuple[bytes, bytes, bytes | None], LookedAt] = {}

    @classmethod
    def beside(cls, head: RequestHead) -> "Known":
        known = head.fields.memo.get(cls)
        if known is None:
            known = head.fields.memo[cls] = cls()
        return cast("Known", known)

    def __len__(self) -> int:
        return len(self._found)

    def get(self, head: RequestHead, apart: bytes | None, admission: Admission) -> LookedAt | None:
        found = self._found.get((head.method, head.target, apart))
        return found if found is not None and found.admission is admission else None

    def keep(self, head: RequestHead, apart: bytes | None, looked_at: LookedAt) -> None:
        if len(head.target) + len(apart or b"") > LONGEST_KEPT:
            return
        if len(self._found) >= MOST_KEPT:
            self._found.clear()
        self._found[head.method, head.target, apart] = looked_at
