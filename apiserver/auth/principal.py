"""The kinds of callers: a closed union. Each kind carries only what its credential proves."""

from dataclasses import dataclass
from typing import TypeAlias

from apiserver.tenants.users import User


@dataclass(frozen=True, slots=True)
class UserCaller:
    """Someone with a valid JWT of the provider: who that is here."""

    user: User


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Someone who presented no credential. A wrong credential makes no caller at all: it is refused."""


# The kinds that come with their credentials: DeviceCaller (device token, or a JWT of our exchange),
# RegistrationTokenCaller, ServiceCaller. Whoever matches on the union ends with `assert_never`, so that
# the type checker finds every place that must say what a new kind may do.
Caller: TypeAlias = UserCaller | Anonymous
