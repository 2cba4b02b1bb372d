"""What a proxied request goes up with: the session's bearer, the caller's own, or nothing."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeAlias

from bff.access import not_signed_in
from bff.login.provider import ProviderUnavailableError
from bff.login.start import provider_problem
from bff.proxy.admission import Admission, Admitted, slides
from bff.proxy.heads import RequestHead
from bff.session.activity import Activity
from bff.session.faults import store_problem
from bff.session.hot import Found, HotReader
from bff.session.record import SessionKey
from bff.session.refresh import Refresher, SessionEndedError
from bff.session.store import StoreUnavailableError
from common.clock import Clock
from common.problems import ProblemError
from common.tasks import Tasks

# With this much left, a bearer goes up as it is while its successor is fetched; clocks may differ by as much.
_LEFT_ENOUGH = timedelta(seconds=15)
_PAUSE_AFTER_FAILURE_S = 1.0

# The value of `Authorization`, None for a request without, or why it cannot pass.
Credential: TypeAlias = bytes | ProblemError | None
Then: TypeAlias = Callable[[Credential], None]


@dataclass(frozen=True)
class Credentials:
    admission: Admission
    hot: HotReader
    activity: Activity
    refresher: Refresher
    clock: Clock
    tasks: Tasks
    _ahead: set[SessionKey] = field(default_factory=set)

    def find(self, head: RequestHead, admitted: Admitted, then: Then) -> None:
        """Read the session where there is one to read, and tell `then`: once, perhaps before this returns."""
        if admitted.key is None:
            then(admitted.authorization)
        else:
            self.hot.read(admitted.key, partial(self._found, head, admitted, then))

    def _found(self, head: RequestHead, admitted: Admitted, then: Then, found: Found) -> None:
        if isinstance(found, StoreUnavailableError):
            then(store_problem(found))
            return
        now = self.clock.now()
        try:
            part = self.admission.judge(head, admitted, found, now)
        except ProblemError as problem:
            then(problem)
            return
        if part is None or found is None or admitted.key is None:
            then(None)
            return
        admitted.part = part
        if slides(admitted.target):
            self.activity.note(admitted.key, found.active_at, now)
        if now < found.bearer_refresh_at:
            then(b"Bearer " + part.bearer.encode())
        elif now + _LEFT_ENOUGH < found.bearer_expires_at:
            bearer = b"Bearer " + part.bearer.encode()
            self._refresh_ahead(admitted, bearer)
            then(bearer)
        else:
            self.tasks.detach("refresh_for_request", self._refreshed(admitted, then))

    def _refresh_ahead(self, admitted: Admitted, former: bytes) -> None:
        """Nobody waits for it; requests that come meanwhile go up with what they have."""
        if admitted.key is not None and admitted.key not in self._ahead:
            self._ahead.add(admitted.key)
            self.tasks.detach("refresh_ahead", self._try_to_refresh(admitted, admitted.key, former))

    async def _try_to_refresh(self, admitted: Admitted, key: SessionKey, former: bytes) -> None:
        try:
            fresh = await self._bearer(admitted)
            # While the former one lasts, a refresh that fails is answered with it.
            if isinstance(fresh, ProblemError) or fresh == former:
                # Without the pause, a provider that is away would be asked again by every request.
                await asyncio.sleep(_PAUSE_AFTER_FAILURE_S)
        finally:
            self._ahead.discard(key)

    async def _refreshed(self, admitted: Admitted, then: Then) -> None:
        then(await self._bearer(admitted))

    async def _bearer(self, admitted: Admitted) -> Credential:
        try:
            session = await self.refresher.fresh_for(admitted.upward.cookie or "")
        except SessionEndedError:
            return not_signed_in()
        except ProviderUnavailableError as error:
            return provider_problem(error)
        except StoreUnavailableError as error:
            return store_problem(error)
        part = self.admission.sessions.hot_part(session.cookie, session.record.hot)
        if part is None:
            return not_signed_in()
        try:
            self.admission.check_grants(admitted, part)
        except ProblemError as problem:
            return problem
        admitted.part = part
        return b"Bearer " + part.bearer.encode()
