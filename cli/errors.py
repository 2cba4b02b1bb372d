"""Everything a command can end with.

    CliError                  1    a sentence and what to do next
    ├── RefusalError          1    the server said no; `code` says why
    ├── InvalidServerError    2    --server cannot be used
    ├── NotLoggedInError      3    no login here, or it has expired
    │   ├── TokenRefusedError 3    the server does not take the access token
    │   └── NotEnrolledError  3    this machine is no device of the server
    ├── UnreachableError      4    the server or the provider cannot be asked now
    └── CancelledError        130  the person pressed Ctrl-C, or said no

`docs/cli.md` tells these codes to the writers of scripts.
"""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    SUCCESS = 0
    ERROR = 1
    USAGE = 2
    NOT_LOGGED_IN = 3
    UNREACHABLE = 4
    CANCELLED = 130


class CliError(Exception):
    """Ends the command. Neither part may hold a token; text of others is cleaned when it is printed."""

    exit_code: ClassVar[ExitCode] = ExitCode.ERROR

    def __init__(self, sentence: str, remedy: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.remedy = remedy


class RefusalError(CliError):
    """`code` is the server's own word (docs/problems.md): decisions are made by that alone."""

    def __init__(self, sentence: str, remedy: str = "", *, code: str | None = None) -> None:
        super().__init__(sentence, remedy)
        self.code = code


class InvalidServerError(CliError):
    exit_code = ExitCode.USAGE


class NotLoggedInError(CliError):
    exit_code = ExitCode.NOT_LOGGED_IN


class TokenRefusedError(NotLoggedInError):
    """A 401 of the server. A refresh may help: whoever made the request decides."""


class NotEnrolledError(NotLoggedInError):
    """A command of the device itself, on a machine that is none."""


class UnreachableError(CliError):
    exit_code = ExitCode.UNREACHABLE


class CancelledError(CliError):
    exit_code = ExitCode.CANCELLED
