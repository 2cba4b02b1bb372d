"""What is sealed opens with the right key, purpose and secret, and with nothing else."""

import pytest

from bff.session.seal import Sealer
from common.randomness import SystemRandomness

OLD, NEW = b"o" * 31 + b"1", b"n" * 31 + b"2"


def sealer(*keys: bytes) -> Sealer:
    return Sealer(keys, SystemRandomness())


def test_what_is_sealed_can_be_opened_and_shows_nothing() -> None:
    sealed = sealer(NEW).seal("bearer", "cookie", b"the token")

    assert b"token" not in sealed
    assert sealer(NEW).open("bearer", "cookie", sealed) == b"the token"


def test_after_a_rotation_the_old_key_still_opens() -> None:
    sealed = sealer(OLD).seal("bearer", "cookie", b"the token")

    assert sealer(NEW, OLD).open("bearer", "cookie", sealed) == b"the token"
    assert sealer(NEW).open("bearer", "cookie", sealed) is None


@pytest.mark.parametrize(
    ("purpose", "secret"), [("rest", "cookie"), ("bearer", "another cookie"), ("bearer", "")]
)
def test_another_purpose_or_secret_opens_nothing(purpose: str, secret: str) -> None:
    sealed = sealer(NEW).seal("bearer", "cookie", b"the token")

    assert sealer(NEW).open(purpose, secret, sealed) is None


def test_no_changed_byte_is_accepted() -> None:
    sealed = sealer(NEW).seal("bearer", "cookie", b"x")

    for position in range(len(sealed)):
        changed = sealed[:position] + bytes([sealed[position] ^ 1]) + sealed[position + 1 :]
        assert sealer(NEW).open("bearer", "cookie", changed) is None


@pytest.mark.parametrize("length", [0, 3, 4, 10, 16, 31])
def test_a_cut_value_is_refused(length: int) -> None:
    sealed = sealer(NEW).seal("bearer", "cookie", b"")

    assert sealer(NEW).open("bearer", "cookie", sealed[:length]) is None
