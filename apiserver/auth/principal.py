"""The kinds of callers: a closed union. Each kind carries only what its credential proves."""

from dataclasses import dataclass
from typing import TypeAlias

from apiserver.auth.scopes import ALL_DEVICE_SCOPES, DeviceScope, Scope
from apiserver.devices.device import Device
from apiserver.storage.records import StoredSecret
from apiserver.tenants.acting import Acting, in_person
from apiserver.tenants.tenants import Role
from apiserver.tenants.users import User
from apiserver.tokens.registration_token import RegistrationToken
from apiserver.tokens.service_token import ServiceToken


@dataclass(frozen=True, slots=True)
class UserCaller:
    """Someone with a valid JWT of the provider: who that is here, and what the JWT may be used for."""

    user: User
    scopes: frozenset[Scope]

    @property
    def acting(self) -> Acting:
        return in_person(self.user.id)


@dataclass(frozen=True, slots=True)
class DeviceCaller:
    """A device, as it was when it was looked up: neither ended nor suspended.

    It came with its device token `token`, or `by_jwt`: with a JWT that was made of it and may be narrowed.
    """

    device: Device
    token: StoredSecret
    scopes: frozenset[DeviceScope] = ALL_DEVICE_SCOPES
    by_jwt: bool = False


@dataclass(frozen=True, slots=True)
class RegistrationTokenCaller:
    """Someone with a registration token, or with a JWT that was made of it.

    Whether it may be used now is decided where it is spent.
    """

    token: RegistrationToken
    secret: StoredSecret


@dataclass(frozen=True, slots=True)
class ServiceCaller:
    """Software with a service token that is neither expired nor revoked.

    It acts for `owner`, who made it: in one tenant, within its scopes, and with no more than what the owner's
    role there allows now. `role` None: the owner is not in the tenant.
    """

    token: ServiceToken
    owner: User
    role: Role | None

    @property
    def scopes(self) -> frozenset[Scope]:
        return self.token.scopes

    @property
    def acting(self) -> Acting:
        return Acting(self.owner.id, self.token.tenant_id, self.token.id)


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Someone who presented no credential. A wrong credential makes no caller at all: it is refused."""


MemberCaller: TypeAlias = UserCaller | ServiceCaller
"""Who does what members of a tenant do: in person, or by a service that acts for them."""

# Whoever matches on the union ends with `assert_never`, so that the type checker finds every place that must
# say what a new kind may do.
Caller: TypeAlias = UserCaller | DeviceCaller | RegistrationTokenCaller | ServiceCaller | Anonymous
