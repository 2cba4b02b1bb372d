"""What a process and its children used: CPU seconds and resident memory, from /proc."""

import os
from contextlib import suppress
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_USER_TIME_AT, _SYSTEM_TIME_AT = 11, 12  # proc(5), counted behind the name in brackets, which may hold spaces


def tree(pid: int) -> list[int]:
    """The process and all below it."""
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        with suppress(OSError):
            for task in Path(f"/proc/{current}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_seconds(pid: int) -> float:
    """Of all that live now: a child that ended meanwhile takes its time with it."""
    ticks = 0
    for process in tree(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[_USER_TIME_AT]) + int(fields[_SYSTEM_TIME_AT])
    return ticks / _TICKS_PER_S


def resident_bytes(pid: int) -> int:
    pages = 0
    for process in tree(pid):
        with suppress(OSError):
            pages += int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * _PAGE_BYTES
