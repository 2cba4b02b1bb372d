"""Sealed device tokens: another implementation opens them, with the private key and nothing less."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from apiserver.devices.device import DeviceId, DeviceTokenId
from apiserver.devices.keys import PublicKey, checked_public_key, raw_bytes
from apiserver.devices.sealing import seal
from apiserver.tokens.secret import SecretKind, mint
from common.randomness import SystemRandomness
from tests.fakes.hpke_opener import open_base

VECTORS = Path(__file__).parents[2] / "vectors"
NOT_OPENED = (InvalidTag, ValueError)


def vector(name: str) -> dict[str, str]:
    values: dict[str, str] = json.loads((VECTORS / name).read_text(encoding="utf-8"))
    return values


@dataclass(frozen=True)
class Sealed:
    """A sealed token and all that belongs to it, as a device knows it."""

    private_key: bytes
    public_key: PublicKey
    device_id: DeviceId
    token_id: DeviceTokenId
    token: str
    text: str

    @property
    def raw(self) -> bytes:
        return base64.urlsafe_b64decode(self.text + "=" * (-len(self.text) % 4))

    @property
    def info(self) -> bytes:
        return info(self.device_id, self.token_id)


def info(device_id: str, token_id: str) -> bytes:
    return f"doorward/device-token/v1|{device_id}|{token_id}".encode()


def sealed_one() -> Sealed:
    private_key = X25519PrivateKey.generate()
    public_key = checked_public_key(base64.b64encode(private_key.public_key().public_bytes_raw()).decode())
    token = mint(SecretKind.DEVICE, "0" * 22, SystemRandomness())
    device_id, token_id = DeviceId("dev_" + "1" * 22), DeviceTokenId("dtk_" + "0" * 22)
    text = seal(token, public_key, device_id, token_id)
    return Sealed(private_key.private_bytes_raw(), public_key, device_id, token_id, token.reveal(), text)


SEALED = sealed_one()


def test_the_opener_is_right_by_the_rfcs_own_vector() -> None:
    rfc = {name: bytes.fromhex(value) for name, value in vector("rfc9180_a2.json").items() if name != "about"}

    assert open_base(rfc["enc"] + rfc["ct"], rfc["skRm"], rfc["info"], rfc["aad"]) == rfc["pt"]


def test_the_published_vector_opens() -> None:
    ours = vector("sealed_device_token.json")
    raw = base64.urlsafe_b64decode(ours["sealed_device_token"] + "==")
    private_key = base64.b64decode(ours["private_key"])

    assert ours["info"].encode() == info(ours["device_id"], ours["device_token_id"])
    assert open_base(raw, private_key, ours["info"].encode()).decode() == ours["device_token"]


def test_the_published_vectors_keys_belong_together() -> None:
    ours = vector("sealed_device_token.json")
    private_key = X25519PrivateKey.from_private_bytes(base64.b64decode(ours["private_key"]))

    assert base64.b64encode(private_key.public_key().public_bytes_raw()).decode() == ours["public_key"]
    assert checked_public_key(ours["public_key"])


def test_what_is_sealed_opens_with_the_private_key() -> None:
    assert open_base(SEALED.raw, SEALED.private_key, SEALED.info).decode() == SEALED.token


def test_it_is_base64url_without_padding() -> None:
    assert set(SEALED.text).isdisjoint("+/=\n")
    assert len(SEALED.raw) == 32 + 75 + 16


def test_two_seals_of_one_token_have_nothing_in_common() -> None:
    token = mint(SecretKind.DEVICE, "0" * 22, SystemRandomness())
    one, other = (seal(token, SEALED.public_key, SEALED.device_id, SEALED.token_id) for _ in range(2))

    assert one[:40] != other[:40]


def test_with_any_one_bit_flipped_it_does_not_open() -> None:
    for bit in range(len(SEALED.raw) * 8):
        flipped = bytearray(SEALED.raw)
        flipped[bit // 8] ^= 1 << bit % 8

        with pytest.raises(NOT_OPENED):
            open_base(bytes(flipped), SEALED.private_key, SEALED.info)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(info("dev_" + "2" * 22, SEALED.token_id), id="another device"),
        pytest.param(info(SEALED.device_id, "dtk_" + "9" * 22), id="another device token"),
        pytest.param(info(SEALED.token_id, SEALED.device_id), id="the two ids changed about"),
        pytest.param(b"", id="none"),
        pytest.param(SEALED.info[:-1], id="cut"),
        pytest.param(SEALED.info.replace(b"/v1|", b"/v2|"), id="another version"),
    ],
)
def test_as_the_token_of_something_else_it_does_not_open(other: bytes) -> None:
    with pytest.raises(NOT_OPENED):
        open_base(SEALED.raw, SEALED.private_key, other)


@pytest.mark.parametrize(
    "private_key",
    [
        pytest.param(X25519PrivateKey.generate().private_bytes_raw(), id="another private key"),
        pytest.param(raw_bytes(SEALED.public_key), id="the public key"),
        pytest.param(SEALED.raw[:32], id="the ephemeral public key"),
        pytest.param(bytes(32), id="zeros"),
    ],
)
def test_with_public_values_only_it_does_not_open(private_key: bytes) -> None:
    with pytest.raises(NOT_OPENED):
        open_base(SEALED.raw, private_key, SEALED.info)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="all"),
        pytest.param(SEALED.raw[:32], id="the ciphertext"),
        pytest.param(SEALED.raw[32:], id="the ephemeral key"),
        pytest.param(SEALED.raw[:-1], id="the last byte"),
        pytest.param(SEALED.raw[:-16], id="the tag"),
        pytest.param(SEALED.raw[1:], id="the first byte"),
        pytest.param(SEALED.raw[:31], id="all but the beginning of the ephemeral key"),
    ],
)
def test_with_parts_missing_it_does_not_open(raw: bytes) -> None:
    with pytest.raises(NOT_OPENED):
        open_base(raw, SEALED.private_key, SEALED.info)


def test_the_token_does_not_stand_in_what_is_sent() -> None:
    assert SEALED.token.encode() not in SEALED.raw
    assert SEALED.token[26:69] not in SEALED.text
