"""Who called, as the request log has it."""

from apiserver.auth.look_up import Holder
from apiserver.auth.principal import DeviceCaller, RegistrationTokenCaller, ServiceCaller
from common.request_keys import CallerLabel


def label_of(caller: Holder) -> CallerLabel:
    match caller:
        case DeviceCaller():
            return CallerLabel("device", caller.device.id)
        case RegistrationTokenCaller():
            return CallerLabel("registration_token", caller.token.id)
        case ServiceCaller():
            return CallerLabel("service_token", caller.token.id)
