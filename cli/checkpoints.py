"""Checkpoints of the audit chain in the logs of servers."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

import msgspec

MOST_CHECKPOINTS: Final = 500
"""As many as a request's body holds. The last one vouches for all events; the others tell where it broke."""

_LONGEST_LINE: Final = 64 * 1024


class Checkpoint(msgspec.Struct, frozen=True, order=True):
    """What a server wrote down of the last event of a chain."""

    seq: int
    mac: str


class _Line(Checkpoint, frozen=True):
    event: str
    tenant_id: str


def checkpoints_in(files: Iterable[BinaryIO], tenant_id: str) -> set[Checkpoint]:
    """Those of this tenant. What else stands in a log is passed over, and so is what stands before a line."""
    found: set[Checkpoint] = set()
    for file in files:
        while line := file.readline(_LONGEST_LINE):
            found.update(_checkpoint_in(line, tenant_id))
    return found


def chosen(checkpoints: Iterable[Checkpoint]) -> list[Checkpoint]:
    """As many as are sent: all that contradict another one, the last one, and others evenly between."""
    ordered = sorted(checkpoints)
    if len(ordered) <= MOST_CHECKPOINTS:
        return ordered
    times_named = Counter(checkpoint.seq for checkpoint in ordered)
    contradicting = [checkpoint for checkpoint in ordered if times_named[checkpoint.seq] > 1]
    kept = set(contradicting[: MOST_CHECKPOINTS // 2])
    step = (len(ordered) - 1) / (MOST_CHECKPOINTS - len(kept) - 1)
    evenly = (ordered[round(number * step)] for number in range(MOST_CHECKPOINTS - len(kept)))
    return sorted(kept.union(evenly))


def _checkpoint_in(line: bytes, tenant_id: str) -> Iterator[Checkpoint]:
    # Journals and containers put something before the line: most of a log is passed over without a look.
    begin = line.find(b"{")
    if begin < 0 or b"audit_checkpoint" not in line:
        return
    try:
        told = msgspec.json.decode(line[begin:], type=_Line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    if told.event == "audit_checkpoint" and told.tenant_id == tenant_id:
        yield Checkpoint(told.seq, told.mac)
