"""From a caller to what third parties are told of it, the person behind it included."""

from dataclasses import dataclass, field

from apiserver.auth.look_up import Holder
from apiserver.bounded import Bounded
from apiserver.exchange.subject import Subject, owner_of, subject_of
from apiserver.storage.contracts import Storage
from apiserver.tenants.users import UserId
from common.clock import Clock

MOST_NAMES = 50_000
"""Some ten megabytes. Who had to make room is looked up again."""


@dataclass(frozen=True)
class Subjects:
    """`provider` is the issuer of the users' own JWTs."""

    storage: Storage
    provider: str
    clock: Clock
    # Who a user is never changes: these are true for ever.
    _names: Bounded[UserId, str] = field(default_factory=lambda: Bounded(MOST_NAMES), repr=False)

    async def of(self, caller: Holder, address: str | None = None) -> Subject:
        """Raises `ProblemError` as `subject_of` does."""
        return subject_of(caller, await self._name_of(owner_of(caller)), self.clock.now(), address)

    async def _name_of(self, user_id: UserId) -> str:
        """What services know a person by: the `sub` of their own JWTs.

        Of whom another provider knows, the id here: two providers may give two people the same `sub`.
        """
        known = self._names.get(user_id)
        if known is not None:
            return known
        user = await self.storage.read(lambda view: view.users.by_id(user_id))
        is_of_provider = user is not None and user.identity.issuer == self.provider
        name = user.identity.subject if user is not None and is_of_provider else user_id
        self._names.put(user_id, name)
        return name
