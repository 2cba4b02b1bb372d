"""What a run found, as bench/results.json keeps it: raw figures, round by round."""

import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import msgspec

MIB = 1024 * 1024

Bulk = Literal["1 MiB down", "100 MiB down", "1 MiB up", "100 MiB up"]


class Round(msgspec.Struct):
    """One window of one peer. `cpu_us`: per answer, of each of its processes; `busy`: of one core."""

    requests_per_s: float
    cpu_us: dict[str, float]
    busy: float
    load_busy: float
    p50_ms: float
    p99_ms: float
    wrong: int
    broken: int

    @property
    def total_cpu_us(self) -> float:
        return sum(self.cpu_us.values())


class BulkRound(msgspec.Struct):
    mib_per_s: float
    cpu_s_per_gib: float
    wrong: int
    broken: int


class Idle(msgspec.Struct):
    connections: int
    bytes_each: float

    @property
    def mb_per_10000(self) -> float:
        return self.bytes_each * 10_000 / 1e6


class Measured(msgspec.Struct):
    """One peer. `paced`: at the rate that half of Go's capacity is."""

    label: str
    version: str
    full: list[Round] = []
    paced: list[Round] = []
    bulk: dict[Bulk, list[BulkRound]] = {}
    idle: Idle | None = None
    forward_auth: list[Round] = []


class Storm(msgspec.Struct):
    """One run of the storm at the second of expiry."""

    requests: int
    wrong: int
    sessions: int
    refreshes: int
    provider_ms: float
    p50_ms: float
    p99_ms: float
    longest_ms: float


class Machine(msgspec.Struct):
    """`pinned`: whether the two sides had a core each. `load_before`: what others ran on it at the start."""

    cores: int
    model: str
    memory_gib: float
    kernel: str
    python: str
    pinned: bool
    load_before: float


class Results(msgspec.Struct):
    """`of_half`: the peer whose half capacity `half_rate` is; `other_load`: an outside generator at nginx."""

    date: str
    command: str
    machine: Machine
    seconds: float
    rounds: int
    window_s: float
    left_out: dict[str, str] = {}
    peers: dict[str, Measured] = {}
    half_rate: float | None = None
    of_half: str | None = None
    sessions_mb: float | None = None
    storms: list[Storm] = []
    other_load: dict[str, float] = {}


def write_results(results: Results, path: Path) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def read_results(path: Path) -> Results:
    return msgspec.json.decode(path.read_bytes(), type=Results)


def median_of(rounds: Iterable[Round], figure: Callable[[Round], float]) -> float | None:
    values = [figure(each) for each in rounds]
    return statistics.median(values) if values else None


def ratio(ours: Iterable[Round], theirs: Iterable[Round], figure: Callable[[Round], float]) -> float | None:
    """The median of the ratios within each round, so that a machine that slows down does not tell in it."""
    ratios = [
        figure(one) / figure(other) for one, other in zip(ours, theirs, strict=False) if figure(other) > 0
    ]
    return statistics.median(ratios) if ratios else None
