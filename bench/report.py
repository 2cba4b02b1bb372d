"""`python -m bench.report`: docs/benchmarks.md and docs/benchmarks.svg anew from bench/results.json."""

import statistics
from collections.abc import Iterable

from bench.bars import Bar, bars, form_judged
from bench.peers.everyone import CADDY, GO
from bench.picture import Row, draw
from bench.processes import ROOT
from bench.results import (
    Bulk,
    BulkRound,
    Machine,
    Measured,
    Results,
    Round,
    median_of,
    ratio,
    read_results,
)

RESULTS = ROOT / "bench" / "results.json"
PAGE = ROOT / "docs" / "benchmarks.md"
PICTURE = ROOT / "docs" / "benchmarks.svg"

_SATURATED = 0.95
_CARRIED = 0.97
_INTRODUCTION = """# Benchmarks

How much Doorward's proxy carries, beside others on the same machine in the same run. `make bench` makes this
page; [bench/README.md](../bench/README.md) says what is measured and how. Absolute figures move with the
machine, ratios hold much better: compare within the table, not with a table from elsewhere.

![Requests per second on one core](benchmarks.svg)
"""


def write_report(results: Results) -> None:
    PAGE.write_text(page(results), encoding="utf-8")
    PICTURE.write_text(picture(results), encoding="utf-8")


def page(results: Results) -> str:
    sections = [
        _INTRODUCTION,
        _made_with(results),
        "## Requests per second\n",
        "Where sessions are in Redis, they are read from it on each request.\n",
        _full_table(results),
        _left_out(results),
        "## The bars\n",
        _bars_table(results),
        _paced_section(results),
        _forward_auth_section(results),
        _bulk_section(results),
        _idle_section(results),
        _storm_section(results),
        _generator_section(results),
    ]
    return "\n".join(section for section in sections if section)


def picture(results: Results) -> str:
    rows = [
        Row(measured.label, median_of(measured.full, _speed) or 0.0, is_ours="doorward" in key)
        for key, measured in results.peers.items()
    ]
    rows.sort(key=lambda row: -row.value)
    subtitle = f"300-byte JSON, 64 keep-alive connections, {results.machine.model}, {results.date}"
    return draw("Requests per second on one core", subtitle, rows)


def _made_with(results: Results) -> str:
    machine = results.machine
    versions = sorted({measured.version for measured in results.peers.values()})
    return (
        f"Made on {results.date} by `{results.command}` in {results.seconds / 60:.0f} minutes, medians of "
        f"{results.rounds} rounds of {results.window_s:g} s in which all took turns:\n"
        f"{_described(machine)}.\nVersions: {', '.join(versions)}.\n"
    )


def _described(machine: Machine) -> str:
    cores = (
        "what is measured on one core, load, Redis and service behind it on another"
        if machine.pinned
        else "nothing kept to a core"
    )
    return (
        f"{machine.model}, {machine.cores} cores, {machine.memory_gib:.0f} GiB, {machine.kernel}, "
        f"Python {machine.python}; load average before it {machine.load_before:g}; {cores}"
    )


def _full_table(results: Results) -> str:
    rows = [
        [
            measured.label,
            _number(median_of(measured.full, _speed)),
            _times(results, measured, CADDY),
            _times(results, measured, GO),
            _cpu(measured.full),
            _latency(measured.full),
            _busy(measured.full) + _faults(measured.full),
        ]
        for measured in results.peers.values()
    ]
    head = ["what", "requests/s", "x Caddy", "x Go", "CPU ms / 1,000", "p50 / p99 ms", "core busy"]
    return _table(head, rows)


def _latency(rounds: list[Round]) -> str:
    return f"{_number(median_of(rounds, _p50), 2)} / {_number(median_of(rounds, _p99), 2)}"


def _times(results: Results, measured: Measured, key: str) -> str:
    other = results.peers.get(key)
    return "-" if other is None else _number(ratio(measured.full, other.full, _speed), 2)


def _cpu(rounds: list[Round]) -> str:
    """Of each process, where there are several."""
    names = list(rounds[0].cpu_us) if rounds else []
    each = [f"{statistics.median(one.cpu_us[name] for one in rounds):.1f}" for name in names]
    if len(names) < 2:  # noqa: PLR2004 - one of them needs no name
        return "".join(each) or "-"
    named = ", ".join(f"{name} {value}" for name, value in zip(names, each, strict=True))
    return f"{_number(median_of(rounds, _total_cpu), 1)} ({named})"


def _busy(rounds: list[Round]) -> str:
    busy = median_of(rounds, lambda one: one.busy)
    if busy is None:
        return "-"
    # Whoever was not busy might have done more: what is told of it is a least value.
    return f"{busy:.0%}" + ("" if busy >= _SATURATED else " (not at its limit)")


def _faults(rounds: Iterable[Round | BulkRound]) -> str:
    wrong = sum(one.wrong + one.broken for one in rounds)
    return f", **{wrong} wrong answers**" if wrong else ""


def _left_out(results: Results) -> str:
    if not results.left_out:
        return ""
    lines = [f"* {label}: {reason}" for label, reason in results.left_out.items()]
    return "Left out on this machine:\n\n" + "\n".join(lines) + "\n"


def _bars_table(results: Results) -> str:
    form = form_judged(results)
    rows = [[bar.what, _limit(bar), _measured(bar), _verdict(bar)] for bar in bars(results)]
    said = f"Judged by the data plane's form `{form}`. Ratios are medians of the ratios within each round.\n"
    return said + "\n" + _table(["what", "to reach", "measured", ""], rows)


def _limit(bar: Bar) -> str:
    return f"at {'most' if bar.at_most else 'least'} {bar.limit:g}{_unit(bar)}"


def _measured(bar: Bar) -> str:
    if bar.measured is None:
        return "-"
    return _number(bar.measured, 0 if bar.unit in {"MB", "ms"} else 2) + _unit(bar)


def _unit(bar: Bar) -> str:
    return bar.unit if bar.unit in {"", "x"} else f" {bar.unit}"


def _verdict(bar: Bar) -> str:
    return {True: "met", False: "**missed**", None: "not measured"}[bar.is_met]


def _paced_section(results: Results) -> str:
    if results.half_rate is None:
        return ""
    rows = [
        [
            measured.label,
            *_paced_latency(measured.paced, results.half_rate),
            _number(median_of(measured.paced, lambda one: one.busy * 100)) + "%" + _faults(measured.paced),
        ]
        for measured in results.peers.values()
        if measured.paced
    ]
    said = (
        f"Requests leave by the clock, {results.half_rate:,.0f} each second: half of what "
        f"{results.of_half} carries. The time that one waits for a free connection counts.\n"
    )
    table = _table(["what", "p50 ms", "p99 ms", "core busy"], rows)
    return f"## Latency at half of Go's capacity\n\n{said}\n{table}"


def _paced_latency(rounds: list[Round], rate: float) -> list[str]:
    carried = median_of(rounds, _speed) or 0.0
    if carried < rate * _CARRIED:
        # Its queue grows for as long as it is measured: a latency would tell that length only.
        return [f"carries {carried:,.0f}/s at most", "-"]
    return [_number(median_of(rounds, _p50), 2), _number(median_of(rounds, _p99), 2)]


def _forward_auth_section(results: Results) -> str:
    asked = [measured for measured in results.peers.values() if measured.forward_auth]
    if not asked:
        return ""
    go = results.peers.get(GO)
    rows = [
        [
            measured.label,
            _number(median_of(measured.forward_auth, _speed)),
            "-" if go is None else _number(ratio(measured.forward_auth, go.forward_auth, _speed), 2),
            _cpu(measured.forward_auth),
            _latency(measured.forward_auth),
            _busy(measured.forward_auth) + _faults(measured.forward_auth),
        ]
        for measured in asked
    ]
    said = (
        "What a proxy is told that asks about a request and forwards it itself: no service stands behind.\n"
    )
    head = ["what", "answers/s", "x Go", "CPU ms / 1,000", "p50 / p99 ms", "core busy"]
    return f"## Forward-auth\n\n{said}\n{_table(head, rows)}"


def _bulk_section(results: Results) -> str:
    with_bulk = [measured for measured in results.peers.values() if measured.bulk]
    if not with_bulk:
        return ""
    cases: list[Bulk] = list(with_bulk[0].bulk)
    rows = [[measured.label, *(_bulk_cell(measured.bulk[case]) for case in cases)] for measured in with_bulk]
    said = "CPU seconds per GiB, and MiB per second beside it.\n"
    return f"## Large bodies\n\n{said}\n{_table(['what', *cases], rows)}"


def _bulk_cell(rounds: list[BulkRound]) -> str:
    cost = statistics.median(one.cpu_s_per_gib for one in rounds)
    speed = statistics.median(one.mib_per_s for one in rounds)
    return f"{cost:.2f} ({speed:,.0f}){_faults(rounds)}"


def _idle_section(results: Results) -> str:
    rows = [
        [measured.label, _number(measured.idle.mb_per_10000), f"{measured.idle.connections:,}"]
        for measured in results.peers.values()
        if measured.idle is not None
    ]
    sessions = results.sessions_mb
    said = (
        f"100,000 sessions in Doorward's memory, each with three tokens of a kilobyte: {sessions:,.0f} MB.\n"
        if sessions is not None
        else ""
    )
    if not rows:
        return said
    table = _table(["what", "MB per 10,000 idle connections", "held for this"], rows)
    return f"## Memory\n\n{table}\n{said}"


def _storm_section(results: Results) -> str:
    rows = [
        [
            f"{storm.requests:,}",
            str(storm.wrong),
            f"{storm.refreshes} of {storm.sessions}",
            f"{storm.provider_ms:.0f}",
            f"{storm.p50_ms:.0f} / {storm.p99_ms:.0f} / {storm.longest_ms:.0f}",
        ]
        for storm in results.storms
    ]
    if not rows:
        return ""
    said = (
        "Four agents on one Redis; all access tokens have just expired, and requests of twenty sessions "
        "come to all agents within one second.\n"
    )
    head = ["requests", "wrong", "refreshes of sessions", "provider's own ms", "p50 / p99 / longest ms"]
    return f"## The storm at the second of expiry\n\n{said}\n{_table(head, rows)}"


def _generator_section(results: Results) -> str:
    nginx = results.peers.get("nginx")
    if not results.other_load or nginx is None:
        return ""
    ours = _number(median_of(nginx.full, _speed))
    others = ", ".join(f"{name} {speed:,.0f}" for name, speed in results.other_load.items())
    return (
        "## The load itself\n\n"
        f"Requests per second at nginx: with our load {ours}, with {others}. "
        "Where the two are alike, it is nginx that is measured.\n"
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _speed(one: Round) -> float:
    return one.requests_per_s


def _total_cpu(one: Round) -> float:
    return one.total_cpu_us


def _p50(one: Round) -> float:
    return one.p50_ms


def _p99(one: Round) -> float:
    return one.p99_ms


if __name__ == "__main__":
    write_report(read_results(RESULTS))
