"""Secrets: one form, told from junk offline, shown once and never printed."""

import hashlib
import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.base62 import ALPHABET, base62
from apiserver.tokens.secret import PresentedSecret, Secret, SecretKind, hash_of, matches, mint, parse
from common.randomness import SystemRandomness
from tests.fakes.randomness import FixedRandomness

PUBLIC_ID = "0VCcGn8i00000000000000"
RANDOMNESS = SystemRandomness()
GOOD = mint(SecretKind.REGISTRATION, PUBLIC_ID, FixedRandomness(0xA7)).reveal()


def presented(secret: Secret) -> PresentedSecret:
    """What the server makes of a secret that came back."""
    found = parse(secret.reveal())
    assert found is not None
    return found


def with_checksum(checked: str) -> str:
    return checked + base62(zlib.crc32(checked.encode()), 6)


@pytest.mark.parametrize("kind", SecretKind)
def test_what_was_minted_is_parsed(kind: SecretKind) -> None:
    found = presented(mint(kind, PUBLIC_ID, RANDOMNESS))

    assert (found.kind, found.public_id) == (kind, PUBLIC_ID)


@pytest.mark.parametrize("byte", [0x00, 0xFF])
def test_every_secret_has_the_same_length(byte: int) -> None:
    text = mint(SecretKind.DEVICE, PUBLIC_ID, FixedRandomness(byte)).reveal()

    assert re.fullmatch(r"dwd_[0-9A-Za-z]{71}", text)


def test_the_form_is_the_one_that_scanners_are_told() -> None:
    text = mint(SecretKind.REGISTRATION, PUBLIC_ID, FixedRandomness(0x01)).reveal()
    number = int.from_bytes(b"\x01" * 32)

    assert text == with_checksum(f"dwr_{PUBLIC_ID}{base62(number, 43)}")


def test_two_secrets_for_one_row_differ() -> None:
    one, other = (mint(SecretKind.DEVICE, PUBLIC_ID, RANDOMNESS) for _ in range(2))

    assert one.reveal() != other.reveal()


@pytest.mark.parametrize("public_id", ["", "short", PUBLIC_ID + "0", "dtk_0VCcGn8i0000000000", "é" * 22])
def test_no_secret_is_minted_for_what_is_no_public_id(public_id: str) -> None:
    with pytest.raises(ValueError, match="public id"):
        mint(SecretKind.DEVICE, public_id, RANDOMNESS)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("dwr_", id="prefix only"),
        pytest.param("x" * 75, id="junk of the right length"),
        pytest.param("junk" + GOOD, id="junk before it"),
        pytest.param("x" + GOOD[:-1], id="junk before it, of the right length"),
        pytest.param(" " + GOOD, id="space before it"),
        pytest.param(GOOD + "\n", id="trailing newline"),
        pytest.param(GOOD[:-1] + "\n", id="newline in place of the last character"),
        pytest.param(GOOD[:-1] + ("1" if GOOD[-1] != "1" else "2"), id="wrong checksum"),
        pytest.param(GOOD[:-1], id="one character short"),
        pytest.param(GOOD[:-6], id="checksum missing"),
        pytest.param(GOOD + "0", id="one character long"),
        pytest.param(GOOD[:4] + "0" + GOOD[4:-1], id="shifted by one"),
        pytest.param("dwr_" + "a" * 1_000_000, id="1 MB"),
        pytest.param(GOOD * 13_000, id="1 MB of good ones"),
        pytest.param(GOOD[:30] + "\0" + GOOD[31:], id="NUL"),
        pytest.param(GOOD + "\0", id="NUL at the end"),
        pytest.param(GOOD[:30] + "О" + GOOD[31:], id="Cyrillic look-alike"),  # noqa: RUF001 - the attack
        pytest.param(GOOD[:30] + "１" + GOOD[31:], id="fullwidth digit"),  # noqa: RUF001 - the attack
        pytest.param(GOOD[:30] + "\ud800" + GOOD[31:], id="lone surrogate"),
        pytest.param("DWR_" + GOOD[4:], id="prefix in capitals"),
        pytest.param("dwd_" + GOOD[4:], id="registration token as device token"),
        pytest.param("dwx_" + GOOD[4:], id="kind that is none"),
        pytest.param(with_checksum("dwx_" + GOOD[4:-6]), id="kind that is none, right checksum"),
        pytest.param(with_checksum(GOOD[:30] + "-" + GOOD[31:-6]), id="separator, right checksum"),
        pytest.param(with_checksum(GOOD[:30] + "\n" + GOOD[31:-6]), id="newline inside, right checksum"),
        pytest.param("Bearer " + GOOD, id="with the scheme"),
        pytest.param(f'"{GOOD}"', id="quoted"),
    ],
)
def test_what_is_no_secret_of_ours_is_told_offline(text: str) -> None:
    assert parse(text) is None


@given(st.integers(0, len(GOOD) - 1), st.sampled_from(ALPHABET))
def test_every_typo_of_one_character_is_told_offline(place: int, character: str) -> None:
    typo = GOOD[:place] + character + GOOD[place + 1 :]

    assert (parse(typo) is None) == (typo != GOOD)


@pytest.mark.timeout(5)
def test_a_megabyte_costs_no_more_than_one_character() -> None:
    megabyte = "dwr_" + "a" * 1_000_000

    assert all(parse(megabyte) is None for _ in range(10_000))


@given(st.text(max_size=100))
def test_no_text_is_too_strange_to_be_looked_at(text: str) -> None:
    assert parse(text) is None


def test_the_storage_holds_the_sha256_of_the_whole_text() -> None:
    secret = mint(SecretKind.DEVICE, PUBLIC_ID, RANDOMNESS)

    assert hash_of(secret) == hashlib.sha256(secret.reveal().encode()).digest()


def test_a_secret_matches_its_own_hash() -> None:
    secret = mint(SecretKind.DEVICE, PUBLIC_ID, RANDOMNESS)

    assert matches(hash_of(secret), presented(secret))


def test_a_secret_matches_no_other_hash() -> None:
    former, secret = (mint(SecretKind.DEVICE, PUBLIC_ID, RANDOMNESS) for _ in range(2))

    assert not matches(hash_of(former), presented(secret))


def test_a_secret_of_another_kind_with_the_same_bits_does_not_match() -> None:
    one, other = (
        mint(kind, PUBLIC_ID, FixedRandomness(7)) for kind in (SecretKind.DEVICE, SecretKind.REGISTRATION)
    )

    assert not matches(hash_of(one), presented(other))


def test_a_secret_prints_itself_masked() -> None:
    secret = mint(SecretKind.DEVICE, PUBLIC_ID, RANDOMNESS)
    hidden = secret.reveal()[26:]
    printed = f"{secret} {secret!r} {[secret]} {presented(secret)!r}"

    assert hidden not in printed
    assert repr(hash_of(secret)) not in printed
    assert PUBLIC_ID in printed
