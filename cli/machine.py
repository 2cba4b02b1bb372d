"""This machine: what it calls itself, and what it is recognised by."""

import hashlib
import hmac
import re
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

_MACHINE_ID_FILES: Final = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_MACHINE_ID: Final = re.compile(r"[0-9a-f]{32}")
_PLATFORM_ID: Final = re.compile(r'"IOPlatformUUID" = "([0-9A-F-]{36})"')
_IOREG: Final = ("/usr/sbin/ioreg", "-rd1", "-c", "IOPlatformExpertDevice")
_IOREG_TIME_S: Final = 5
_PURPOSE: Final = b"doorward/device-fingerprint/v1"
_LONGEST_NAME: Final = 63
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]+")


def host_name() -> str:
    return socket.gethostname()


def device_name(host: str) -> str | None:
    """The first label of the host's name, with the letters that a device's name may have."""
    label = host.partition(".")[0]
    return _NOT_IN_NAMES.sub("-", label)[:_LONGEST_NAME].strip("-_") or None


def machine_id() -> str | None:
    """What the system says it is; None where it says nothing. It is not for others: see `fingerprint_of`."""
    return _platform_id() if sys.platform == "darwin" else machine_id_in(_MACHINE_ID_FILES)


def machine_id_in(files: tuple[Path, ...]) -> str | None:
    """The first id in these files (machine-id(5)); `uninitialized`, as in images, is none."""
    for path in files:
        with suppress(OSError, UnicodeDecodeError):
            text = path.read_text(encoding="ascii").strip()
            if _MACHINE_ID.fullmatch(text):
                return text
    return None


def platform_id_in(listing: str) -> str | None:
    """The machine's id in what macOS' `ioreg` prints."""
    found = _PLATFORM_ID.search(listing)
    return found and found[1]


def fingerprint_of(machine: str) -> str:
    """What the server recognises the machine by.

    machine-id(5) asks to keep the id to oneself: whoever knows it finds the machine in other services' data.
    Keyed by the id, the hash is good for this purpose alone.
    """
    return hmac.new(machine.encode(), _PURPOSE, hashlib.sha256).hexdigest()


def _platform_id() -> str | None:
    try:
        # Without our environment: it may hold a registration token.
        done = subprocess.run(  # noqa: S603 - our own words
            _IOREG, env={}, capture_output=True, timeout=_IOREG_TIME_S, check=False, text=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return platform_id_in(done.stdout)
