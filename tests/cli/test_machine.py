"""What this machine is called and recognised by."""

from pathlib import Path

import pytest

from cli.machine import device_name, fingerprint_of, machine_id_in, platform_id_in

ID = "8f14e45fceea167a5a36dedd4bea2543"
IOREG = """
+-o Mac14,2  <class IOPlatformExpertDevice, id 0x100000237, registered, matched, active>
    {
      "IOPlatformSerialNumber" = "C02XK0AAJGH5"
      "IOPlatformUUID" = "4F9B5D0C-1A2B-5C3D-8E4F-0123456789AB"
    }
"""


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("kitchen-laptop", "kitchen-laptop"),
        ("Alices-MacBook-Pro.local", "Alices-MacBook-Pro"),
        ("web_1.example.com", "web_1"),
        ("-odd-.x", "odd"),
        ("Zoës laptop", "Zo-s-laptop"),
        ("a" * 70, "a" * 63),
        ("a" * 62 + "--b", "a" * 62),
        ("", None),
        (".local", None),
        ("山", None),
    ],
)
def test_the_name_of_a_host_becomes_one_of_a_device(host: str, name: str | None) -> None:
    assert device_name(host) == name


def test_a_fingerprint_is_always_the_same_and_not_the_id() -> None:
    # HMAC-SHA256 with the id as its key, by openssl.
    assert fingerprint_of(ID) == "5338c7781b909559f5c709cf1010ab2f4e315096bedbd5fc05b6652714f3822b"


def test_the_first_file_with_an_id_counts(tmp_path: Path) -> None:
    first, second = tmp_path / "machine-id", tmp_path / "dbus"
    second.write_text(f"{ID}\n")

    assert machine_id_in((first, second)) == ID


@pytest.mark.parametrize("content", [b"", b"uninitialized\n", b"8f14", b"\xff" * 32, b"g" * 32])
def test_an_image_without_an_id_has_none(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "machine-id"
    file.write_bytes(content)

    assert machine_id_in((file,)) is None


def test_macos_tells_its_id_among_other_things() -> None:
    assert platform_id_in(IOREG) == "4F9B5D0C-1A2B-5C3D-8E4F-0123456789AB"
    assert platform_id_in("") is None
