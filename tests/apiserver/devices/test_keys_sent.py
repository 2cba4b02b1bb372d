"""What a machine sends as its key: malformed ones, and private keys sent by mistake."""

import base64
import json
from typing import Any

import pytest

from tests.apiserver.machines import DEVICES, Machine, Person, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRIME = 2**255 - 19
GOOD = Machine().public_key


def encoded(number: int) -> str:
    return base64.b64encode(number.to_bytes(32, "little")).decode()


BAD_KEYS = {
    "empty": "",
    "not base64": "*" * 44,
    "spaces": " " * 44,
    "31 bytes": base64.b64encode(bytes(range(31))).decode(),
    "33 bytes": base64.b64encode(bytes(range(33))).decode(),
    "no padding": GOOD.rstrip("="),
    "more padding": GOOD + "=",
    "newline behind": GOOD + "\n",
    "newline inside": GOOD[:20] + "\n" + GOOD[20:],
    "space before": " " + GOOD,
    "hexadecimal": bytes(range(32)).hex(),
    "base64url": base64.urlsafe_b64encode(b"\xfb\xff" * 16).decode(),
    "look-alike letter": "\u0410" + GOOD[1:],
    "other spelling": GOOD[:42] + chr(ord(GOOD[42]) + 1) + "=",
    "zeros": encoded(0),
    "one": encoded(1),
    "prime minus one": encoded(PRIME - 1),
    "prime": encoded(PRIME),
    "prime plus one": encoded(PRIME + 1),
    "order 8": "4Ot6fDtBuK4WVuP68Z/EatoJjeucMrH9hmIFFl9JuAA=",
    "order 8 too": "X5yVvKNQjCSx0LFVnIPvWwREXMRYHI6G2CJO3dCfEVc=",
    "highest bit": encoded((1 << 255) | 9),
    "not canonical": encoded(PRIME + 9),
    "all ones": encoded(2**256 - 1),
    "a megabyte": "A" * 60_000,
}


@pytest.mark.parametrize("key", BAD_KEYS.values(), ids=BAD_KEYS)
async def test_a_malformed_key_is_refused_and_burns_nothing(alice: Person, key: str) -> None:
    token = await alice.token(max_uses=1)
    answer = await token.register(public_key=key)

    assert answer.refusal == (422, "public_key_invalid")
    assert key.strip() == "" or key not in answer.body["detail"]
    assert await token.uses() == 0


@pytest.mark.parametrize("key", [7, True, ["a"], {"a": 1}, 1e300], ids=str)
async def test_a_key_of_another_type_is_refused(alice: Person, key: object) -> None:
    assert (await (await alice.token()).register(public_key=key)).refusal == (422, "invalid_body")


PRIVATE = base64.b64encode(b"a private key of 32 bytes, truly").decode()
WITH_PRIVATE_KEYS: dict[str, dict[str, Any]] = {
    "private_key": {"private_key": PRIVATE},
    "privateKey": {"privateKey": PRIVATE},
    "PrivateKey": {"PrivateKey": PRIVATE},
    "PRIVATE-KEY": {"PRIVATE-KEY": PRIVATE},
    "secret_key": {"secret_key": PRIVATE},
    "priv_key": {"priv_key": PRIVATE},
    "preshared_key": {"preshared_key": PRIVATE},
    "wg_priv_key": {"wg_priv_key": PRIVATE},
    "in a label": {"labels": {"private_key": PRIVATE}},
    "private-key, a label": {"labels": {"private-key": "x"}},
    "a WireGuard file": {"labels": {"conf": f"[Interface] PrivateKey = {PRIVATE}"}},
    "PEM": {"public_key": f"-----BEGIN PRIVATE KEY-----\n{PRIVATE}\n-----END PRIVATE KEY-----"},
    "OpenSSH": {"fingerprint": f"-----BEGIN OPENSSH PRIVATE KEY-----{PRIVATE}"},
    "PEM in a list": {"labels": [[f"-----BEGIN RSA PRIVATE KEY-----{PRIVATE}"]]},
    "deep inside": {"labels": {"a": {"b": [{"private_key": PRIVATE}]}}},
}


@pytest.mark.parametrize("said", WITH_PRIVATE_KEYS.values(), ids=WITH_PRIVATE_KEYS)
async def test_a_private_key_is_refused_and_not_repeated(
    world: World, alice: Person, said: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    token = await alice.token(max_uses=1)
    answer = await token.register(Machine(), **said)

    assert answer.refusal == (422, "private_key_sent")
    assert PRIVATE not in json.dumps(answer.body)
    assert PRIVATE not in "".join(capfd.readouterr())
    assert await token.uses() == 0


@pytest.mark.parametrize(
    "body",
    [
        f'{{"name": "web", "private\\u005fkey": "{PRIVATE}"}}',
        f'{{"name": "web", "labels": {{"\\u0070rivate-key": "{PRIVATE}"}}}}',
        f'{{"name": "web", "fingerprint": "-----BEGIN PRI\\u0056ATE KEY-----{PRIVATE}"}}',
        f'{{"name": "web", "private_key": "{PRIVATE}", "labels": {{"a": "1", "a": "2"}}}}',
    ],
    ids=["field", "label", "value", "beside a field that is repeated"],
)
async def test_another_spelling_hides_no_private_key(world: World, alice: Person, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await world.call("POST", DEVICES, alice.bearer(), data=body, headers=headers)

    assert answer.refusal == (422, "private_key_sent")
    assert PRIVATE not in json.dumps(answer.body)


@pytest.mark.parametrize(
    "labels",
    [
        {"keeper": "our private keys"},
        {"note": "the private key = in the safe"},
        {"keys": "private_key"},
        {"privacy": "key", "deprived-keys": "no"},
    ],
    ids=str,
)
async def test_who_writes_of_private_keys_has_sent_none(alice: Person, labels: dict[str, str]) -> None:
    answer = await (await alice.token()).register(Machine(), labels=labels)

    assert answer.status == 201


@pytest.mark.parametrize(
    "body",
    [
        f'{{"name": "web", "key": "{PRIVATE}"}}',
        f'{{"name": "web", "sk": "{PRIVATE}"}}',
        f'{{"name": "web", "labels": "{PRIVATE}"}}',
        f'{{"name": ["{PRIVATE}"]}}',
        f'{{"name": "{PRIVATE}"}}',
        f'{{"name": "web", "fingerprint": " {PRIVATE}"}}',
    ],
    ids=["key", "sk", "labels", "in a list", "as the name", "fingerprint"],
)
async def test_what_is_refused_for_another_reason_is_not_repeated_either(
    world: World, alice: Person, body: str, capfd: pytest.CaptureFixture[str]
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await world.call("POST", DEVICES, alice.bearer(), data=body, headers=headers)

    assert answer.refusal == (422, "invalid_body")
    assert PRIVATE not in json.dumps(answer.body)
    assert PRIVATE not in "".join(capfd.readouterr())
