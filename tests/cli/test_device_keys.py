"""The sealed device token: it opens with this machine's key, for this device, unchanged, or not at all."""

import base64

import pytest

from apiserver.devices.device import DeviceId, DeviceTokenId
from apiserver.devices.keys import checked_public_key
from apiserver.devices.sealing import seal
from apiserver.tokens.secret import Secret, SecretKind, mint
from cli.device_keys import NotSealedToUsError, new_private_key, public_key_of, unsealed
from cli.presented_token import fault_of
from common.randomness import SystemRandomness

RANDOMNESS = SystemRandomness()
DEVICE, TOKEN = DeviceId("dev_0000000000000000000001"), DeviceTokenId("dtk_0000000000000000000002")


@pytest.fixture
def private_key() -> str:
    return new_private_key(RANDOMNESS)


@pytest.fixture
def secret() -> Secret:
    return mint(SecretKind.DEVICE, TOKEN.removeprefix("dtk_"), RANDOMNESS)


@pytest.fixture
def sealed(private_key: str, secret: Secret) -> str:
    return seal(secret, checked_public_key(public_key_of(private_key)), DEVICE, TOKEN)


def test_what_the_server_seals_opens(sealed: str, private_key: str, secret: Secret) -> None:
    assert unsealed(sealed, private_key, DEVICE, TOKEN) == secret.reveal()


def test_it_opens_for_no_other_key_device_or_token(sealed: str, private_key: str) -> None:
    for key, device, token in (
        (new_private_key(RANDOMNESS), DEVICE, TOKEN),
        (private_key, TOKEN, TOKEN),
        (private_key, DEVICE, DEVICE),
    ):
        with pytest.raises(NotSealedToUsError):
            unsealed(sealed, key, device, token)


def test_no_bit_of_it_can_be_changed(sealed: str, private_key: str) -> None:
    raw = base64.urlsafe_b64decode(f"{sealed}==")
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1
        with pytest.raises(NotSealedToUsError):
            unsealed(base64.urlsafe_b64encode(changed).decode(), private_key, DEVICE, TOKEN)


@pytest.mark.parametrize("sealed", ["", "A", "AAAA", "not base64!", "é", "A" * 200])
def test_what_is_no_sealed_token_does_not_open(sealed: str, private_key: str) -> None:
    with pytest.raises(NotSealedToUsError):
        unsealed(sealed, private_key, DEVICE, TOKEN)


def test_every_registration_token_that_the_server_makes_is_whole() -> None:
    for number in range(200):
        token = mint(SecretKind.REGISTRATION, f"{number:022}", RANDOMNESS).reveal()
        assert fault_of(token) is None
        assert fault_of(token[:-1] + ("0" if token[-1] != "0" else "1")) is not None
