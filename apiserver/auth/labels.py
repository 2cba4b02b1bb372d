"""Who called, as the request log and the audit have it."""

from typing import assert_never

from apiserver.auth.principal import (
    Anonymous,
    Caller,
    DeviceCaller,
    RegistrationTokenCaller,
    ServiceCaller,
    UserCaller,
)
from common.request_keys import CallerLabel


def label_of(caller: Caller) -> CallerLabel:
    match caller:
        case UserCaller():
            return CallerLabel("user", caller.user.id)
        case DeviceCaller():
            return CallerLabel("device", caller.device.id)
        case RegistrationTokenCaller():
            return CallerLabel("registration_token", caller.token.id)
        case ServiceCaller():
            return CallerLabel("service_token", caller.token.id)
        case Anonymous():
            return CallerLabel("anonymous")
        case _:
            assert_never(caller)
