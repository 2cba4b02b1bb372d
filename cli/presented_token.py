"""A registration token as somebody hands it to us: looked at before it is sent anywhere."""

import re
import sys
import zlib
from pathlib import Path
from typing import Final

from cli.errors import CliError

STDIN: Final = "-"

_FORM: Final = re.compile(r"dwr_[0-9A-Za-z]{71}")
_CHECKSUM_LENGTH: Final = 6
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# More than any token, so that a wrong file is not read whole.
_MOST_READ: Final = 4096


def read_token(file: str) -> str:
    """The text in the file, or on stdin for `-`, without the white space around it; raises `CliError`."""
    try:
        if file == STDIN:
            return sys.stdin.read(_MOST_READ).strip()
        with Path(file).open(encoding="utf-8") as opened:
            return opened.read(_MOST_READ).strip()
    except OSError as error:
        raise CliError(f"{file} cannot be read: {error.strerror}.", "Check --token-file.") from None
    except UnicodeDecodeError:
        raise CliError(f"{file} holds no registration token.", "Check --token-file.") from None


def fault_of(token: str) -> str | None:
    """What is wrong with it, as a sentence that does not repeat it; None for a whole registration token.

    The checksum spares the server, and a person the search, where a character was lost in copying. It also
    keeps a password that was pasted by mistake from being sent.
    """
    if not token.startswith("dwr_"):
        return "A registration token begins with dwr_: this is something else."
    checked, checksum = token[:-_CHECKSUM_LENGTH], token[-_CHECKSUM_LENGTH:]
    if not _FORM.fullmatch(token) or _base62(zlib.crc32(checked.encode("ascii"))) != checksum:
        return "The registration token is not whole: a character is missing or wrong. Copy it once more."
    return None


def _base62(number: int) -> str:
    digits: list[str] = []
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
