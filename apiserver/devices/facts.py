"""What the audit tells of a device: its public fields."""

from apiserver.audit.trail import Facts
from apiserver.devices.device import Device


def facts_of(device: Device) -> Facts:
    return {
        "name": device.name,
        "state": device.state.value,
        "state_reason": device.state_reason,
        "owner_id": device.owner_id,
        "registration_token_id": device.registration_token_id,
        "public_key": device.public_key,
        "fingerprint": device.fingerprint,
        "ipv4": device.ipv4,
        "ipv6": device.ipv6,
        "taints": device.taints,
        "labels": device.labels,
        "evidence": device.evidence,
    }
