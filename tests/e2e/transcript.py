"""What a person saw on a terminal, and how it is compared with what a document says they see."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

PROMPT = "$ "

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r\n|\r|\n|[^\x1b\r\n]+")
_UP = re.compile(r"\x1b\[(\d*)A")
# What is another one each time, or on each machine. A frame is as wide as what it holds, so that it goes too.
_CHANGING = (
    (re.compile(r"\b(dw[a-z]_|[a-z]{3}_)[0-9A-Za-z]{22,}"), r"\1..."),
    (re.compile(r"\b[A-Z]{4}-[A-Z]{4}\b"), "USER-CODE"),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d UTC"), "TIME"),
    (re.compile(r"\b100\.64\.\d+\.\d+, fd[0-9a-f:]+"), "ADDRESSES"),
    (re.compile(r"[A-Za-z0-9+/]{43}="), "KEY"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "PROVIDER"),
    (re.compile(r"(\bName +|\benrolled with \S+ as )[A-Za-z0-9_-]+"), r"\1NAME"),
    (re.compile(r"[╭╮╰╯─│ ]+"), " "),
)


@dataclass(frozen=True)
class Step:
    """A line that somebody typed, and what stood on the screen after it."""

    command: str
    output: str


def steps_of(blocks: Iterable[str]) -> list[Step]:
    """The steps in a document's console blocks."""
    steps: list[Step] = []
    for line in "\n".join(blocks).splitlines():
        if line.startswith(PROMPT):
            steps.append(Step(line.removeprefix(PROMPT), ""))
        else:
            former = steps.pop()
            steps.append(Step(former.command, f"{former.output}{line}\n"))
    return steps


def screen_of(printed: str) -> str:
    """What is left on the screen: a spinner draws over itself, and takes itself away."""
    lines, row = [""], 0
    for part in _CONTROL.findall(printed):
        up = _UP.fullmatch(part)
        if part in {"\n", "\r\n"}:
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif up is not None:
            row = max(0, row - int(up[1] or 1))
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part[0] not in "\x1b\r":
            lines[row] += part
    return "\n".join(line.rstrip() for line in lines).rstrip("\n") + "\n"


def masked(step: Step) -> tuple[str, list[str]]:
    """The line and the lines after it, with what changes from run to run made the same."""
    return _masked(step.command), [line for line in map(_masked, step.output.splitlines()) if line]


def _masked(line: str) -> str:
    for pattern, same in _CHANGING:
        line = pattern.sub(same, line)
    return line.strip()
