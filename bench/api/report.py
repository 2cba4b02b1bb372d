"""docs/benchmarks-api.md, from bench/api.json: `python -m bench.api.report`."""

import statistics
from collections.abc import Callable

import msgspec

from bench.api.load import Figures
from bench.api.run import ENGINES, ApiResults, Case
from bench.processes import ROOT

RESULTS = ROOT / "bench" / "api.json"
PAGE = ROOT / "docs" / "benchmarks-api.md"

_INTRODUCTION = """# Benchmarks of the API

How much one apiserver process on one core carries, by how many devices there are. `make bench-api` makes this
page. The load, and PostgreSQL, have the other core. Every answer is durable before it is sent: SQLite with
`synchronous = FULL`, PostgreSQL with `fsync` on.
"""
_NAMES = {
    "device": "a device asks for itself (`GET /devices/me`)",
    "edge": "a proxy asks for a device (`/authz`, on the private listener)",
    "exchange": "a device's token for a JWT (`POST /token`), signed each time",
    "list": "a page of 100 devices, the newest first (4 at once)",
    "list by name": "a page of 100 devices by name (4 at once)",
    "user": "a user asks for themselves (`GET /users/me`)",
    "register": "registration",
    "register with a key": "registration with a key, sealed answer and addresses",
}


def page(results: ApiResults) -> str:
    machine = results.machine
    made = (
        f"Made on {results.date} by `{results.command}` in {results.seconds / 60:.0f} minutes, medians of "
        f"{results.rounds} rounds of {results.window_s:g} s: {machine.cores} cores of {machine.model}, "
        f"{machine.kernel}, Python {machine.python}; load average before: {machine.load_before}.\n"
    )
    hello = next(case for case in results.cases if case.kind == "hello")
    scale = (
        f"For scale, aiohttp answers a plain hello {_rate(hello):,.0f} times a second on that core, with "
        f"{_cpu_us(hello):.0f} µs of CPU each.\n"
    )
    return "\n".join([_INTRODUCTION, made, scale, *(_table(results, engine) for engine in ENGINES)])


def _table(results: ApiResults, engine: str) -> str:
    cases = [case for case in results.cases if case.engine == engine]
    if not cases:
        return ""
    lines = [
        f"## {engine}\n",
        "| what | devices | answers/s | CPU µs each | p50 ms | p99 ms | wrong |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {_NAMES[case.kind]} | {case.devices:,} | {_rate(case):,.0f} | {_cpu_us(case):.0f} | "
        f"{_median(case, lambda each: each.p50_ms):.1f} | {_median(case, lambda each: each.p99_ms):.1f} | "
        f"{sum(each.wrong for each in case.rounds)} |"
        for kind in _NAMES
        for case in cases
        if case.kind == kind
    ]
    return "\n".join([*lines, ""])


def _rate(case: Case) -> float:
    return _median(case, lambda each: each.answers / each.seconds)


def _cpu_us(case: Case) -> float:
    return _median(case, lambda each: each.cpu_s / max(each.answers, 1) * 1e6)


def _median(case: Case, figure: Callable[[Figures], float]) -> float:
    return statistics.median(figure(each) for each in case.rounds)


def write(results: ApiResults) -> None:
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    PAGE.write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    PAGE.write_text(page(msgspec.json.decode(RESULTS.read_bytes(), type=ApiResults)), encoding="utf-8")
