"""Keys for one purpose each."""

from apiserver.derived_keys import derive


def test_the_same_server_key_gives_the_same_key() -> None:
    assert derive(b"k" * 32, "audit/v1") == derive(b"k" * 32, "audit/v1")


def test_another_purpose_or_server_key_gives_another_key_and_id() -> None:
    keys = [
        derive(b"k" * 32, "audit/v1"),
        derive(b"k" * 32, "cursors/v1"),
        derive(b"l" * 32, "audit/v1"),
    ]

    assert len({derived.key for derived in keys}) == len({derived.id for derived in keys}) == 3
    assert all(len(derived.key) == 32 for derived in keys)


def test_the_derivation_never_changes() -> None:
    """What was signed by a former version must still be told from what was forged."""
    derived = derive(bytes(range(32)), "audit/v1")

    assert derived.id == "3b76dc5d24fc30f2"
    assert derived.key.hex() == "ff54db9370e3ffb31fd71587b5e1be58c7cffe5be7dad4a1e4c027b619506bfb"


def test_a_key_prints_itself_masked() -> None:
    derived = derive(b"k" * 32, "audit/v1")

    assert repr(derived) == f"DerivedKey(id='{derived.id}')"
