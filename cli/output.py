"""The terminal: a panel, a spinner and tables for people, plain lines where nobody watches.

Text of servers and providers is cleaned before it is printed: an escape code in a name could rewrite what
stands on the screen, or type into the terminal.
"""

import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TextIO

from rich.console import Console
from rich.panel import Panel
from rich.status import Status
from rich.table import Column, Table
from rich.text import Text

from cli.answers import DeviceCode, Explanation, User, Verdict
from cli.errors import CliError
from common.clock import Clock

LONGEST_TEXT: Final = 500
_VERDICTS: Final[dict[Verdict, str]] = {
    "forwarded": "goes through, when its policy is met",
    "refused": "is refused",
    "own": "is answered by the agent itself",
    "unknown": "is not found",
    "forward_auth": "is judged for another proxy, and not forwarded here",
}
_WIDE: Final = 1000

# Whole sequences go first (ECMA-48: CSI, the strings of OSC, DCS, SOS, PM and APC, and short ones): no
# "[31m" stays to be read.
_ESCAPE_SEQUENCES: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)


def clean(text: str) -> str:
    """One line of printable text. What steers a terminal or turns the reading direction is taken out."""
    without_sequences = _ESCAPE_SEQUENCES.sub("", text[: 10 * LONGEST_TEXT])
    kept = " ".join("".join(filter(_is_printed, without_sequences)).split())
    return kept if len(kept) <= LONGEST_TEXT else f"{kept[:LONGEST_TEXT]}..."


def _is_printed(letter: str) -> bool:
    # Cc: controls; Cf: invisible ones, bidirectional overrides among them; Cs: halves of characters.
    return letter.isspace() or unicodedata.category(letter) not in {"Cc", "Cf", "Cs"}


class Output:
    """What was asked for goes to stdout; warnings and errors go to stderr."""

    def __init__(self, clock: Clock) -> None:
        self._out = _console(sys.stdout)
        self._err = _console(sys.stderr)
        self._clock = clock

    @property
    def is_terminal(self) -> bool:
        """Whether a person reads what was asked for."""
        return self._out.is_terminal

    def say(self, line: str) -> None:
        """A line that is never broken, so that addresses in it can be copied."""
        self._out.print(Text(clean(line)), soft_wrap=True)

    def warn(self, sentence: str) -> None:
        self._err.print(Text.assemble(("Warning: ", "yellow"), clean(sentence)), soft_wrap=True)

    def fail(self, error: CliError) -> None:
        sentences = " ".join(_sentence(clean(part)) for part in (error.sentence, error.remedy) if part)
        self._err.print(Text.assemble(("Error: ", "bold red"), sentences), soft_wrap=True)

    def note(self, line: str) -> None:
        self._err.print(Text(clean(line)), soft_wrap=True)

    def show_code(self, server: str, code: DeviceCode) -> None:
        """The address to open and the code to enter there."""
        if not self._out.is_terminal:
            self.say(f"Log in to {server}")
            self.say(f"1. Open {code.verification_uri}")
            self.say(f"2. Enter the code {code.user_code}")
            return
        steps = Table.grid(padding=(0, 2))
        steps.add_row("1. Open", Text(clean(code.verification_uri), "bold cyan", overflow="fold"))
        steps.add_row("2. Enter the code", Text(clean(code.user_code), "bold"))
        self._out.print(Panel.fit(steps, title=Text(f"Log in to {server}"), padding=(1, 2)))

    @contextmanager
    def waiting_until(self, deadline: float) -> Iterator[None]:
        """A spinner with the remaining time on a terminal, one line elsewhere."""
        remaining = _Remaining(self._clock, deadline)
        if not self._out.is_terminal:
            self.say(str(remaining))
            yield
            return
        with Status(Text(), console=self._out) as status:
            status.update(status=remaining)
            yield

    def show_explanation(self, explanation: Explanation) -> None:
        """What would happen, and then why, a line each."""
        self.say(f"{explanation.method} {explanation.path}: {_VERDICTS[explanation.verdict]}")
        self.show_facts(_lines_of(explanation))

    def show_user(self, server: str, user: User) -> None:
        self.show_facts(_lines_about(server, user))
        if user.tenants:
            self._out.print()
            rows = [(tenant.name, tenant.kind, tenant.role, tenant.id) for tenant in user.tenants]
            self.show_table(("Tenant", "Kind", "Role", "Tenant id"), rows)

    def show_facts(self, facts: Iterable[tuple[str, str]]) -> None:
        """A line for each fact, never broken."""
        lines = list(facts)
        width = max((len(label) for label, _ in lines), default=0) + 2
        for label, value in lines:
            self._out.print(Text.assemble((f"{label:<{width}}", "bold"), clean(value)), soft_wrap=True)

    def show_table(self, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        table = Table(*(Column(heading, overflow="fold") for heading in headings))
        for row in rows:
            table.add_row(*(Text(clean(cell)) for cell in row))
        self._out.print(table)

    def show_panel(self, title: str, facts: Iterable[tuple[str, str]]) -> None:
        """The facts in a frame, to be looked at rather than copied."""
        grid = Table.grid(padding=(0, 2))
        for label, value in facts:
            grid.add_row(label, Text(clean(value), "bold", overflow="fold"))
        self._out.print(Panel.fit(grid, title=title, padding=(1, 2)))


@dataclass(frozen=True)
class _Remaining:
    """Text that is made anew at each frame of the spinner."""

    clock: Clock
    deadline: float

    def __str__(self) -> str:
        minutes, seconds = divmod(max(0, round(self.deadline - self.clock.monotonic())), 60)
        return f"Waiting for you to confirm ({minutes}:{seconds:02} left)"

    def __rich__(self) -> Text:
        return Text(str(self))


def _console(stream: TextIO) -> Console:
    # FORCE_COLOR would put escape codes into pipes: only a terminal gets them. NO_COLOR is heeded by rich.
    is_terminal = stream.isatty()
    return Console(
        file=stream,
        force_terminal=is_terminal,
        width=None if is_terminal else _WIDE,
        highlight=False,
        markup=False,
        emoji=False,
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ")")) else f"{text}."


def _lines_about(server: str, user: User) -> Iterator[tuple[str, str]]:
    yield "Server", server
    yield "Name", user.name or "-"
    yield "E-mail", user.email or "-"
    yield "User id", user.id
    yield "Issuer", user.issuer
    yield "Subject", user.subject
    yield "Since", user.created_at.isoformat(sep=" ", timespec="minutes")


def _lines_of(explanation: Explanation) -> Iterator[tuple[str, str]]:
    if explanation.route is not None:
        yield "Route", explanation.route
    if explanation.mode is not None:
        yield "Mode", explanation.mode
    if explanation.policy is not None:
        yield "Policy", explanation.policy
    for address in explanation.forwarded_to:
        yield "Goes to", address
    for sentence in explanation.because:
        yield "Because", sentence
