"""The bars: what a run has to reach, and whether it did. Only what concerns the proxy and its sessions."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from bench.peers.everyone import APACHE, CADDY, FORMS, GO, NGINX
from bench.results import Bulk, Results, Round, Storm, ratio

_BULK_BARS: tuple[tuple[Bulk, float], ...] = (
    ("1 MiB down", 0.85),
    ("100 MiB down", 0.6),
    ("1 MiB up", 1.0),
    ("100 MiB up", 1.15),
)
_STORM_MARGIN_MS = 50.0


@dataclass(frozen=True)
class Bar:
    """`measured` is None where a part of it was not there to be measured."""

    what: str
    limit: float
    unit: str
    at_most: bool
    measured: float | None

    @property
    def is_met(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured <= self.limit if self.at_most else self.measured >= self.limit


def form_judged(results: Results) -> str:
    """The last form of the data plane that was measured."""
    measured = [form for form in FORMS if _memory(form) in results.peers]
    return measured[-1] if measured else FORMS[-1]


def bars(results: Results) -> list[Bar]:
    form = form_judged(results)
    ours, with_redis = _memory(form), _redis(form)
    compare = _Comparison(results)
    return [
        _least("requests/s against Go, sessions in memory", 3.0, compare.full(ours, GO, _speed)),
        _least("requests/s against Go, Redis on each request", 2.2, compare.full(with_redis, GO, _speed)),
        _least("requests/s against Caddy, plain", 2.7, compare.full(ours, CADDY, _speed)),
        _least("forward-auth answers/s against Go's, sessions in memory", 2.5, compare.asked(ours, GO)),
        _least("CPU of mod_auth_openidc against ours", 3.5, compare.full(APACHE, ours, _cpu)),
        _most("CPU against nginx, plain", 2.5, compare.full(ours, NGINX, _cpu)),
        _most("p50 against Go's, at half of Go's capacity", 0.6, compare.paced(ours, GO, _p50)),
        _most("p99 against Go's, at half of Go's capacity", 0.5, compare.paced(ours, GO, _p99)),
        *(
            _most(f"CPU per GiB against Go, {name}", bar, compare.bulk(name, ours))
            for name, bar in _BULK_BARS
        ),
        _most("memory of 10,000 idle browsers", 60, _idle_mb(results, ours), "MB"),
        _most("memory of 100,000 sessions", 130, results.sessions_mb, "MB"),
        _most("refreshes of one session in the storm", 1, _refreshes(results.storms), ""),
        _most(
            "p99 in the storm beyond the provider's own time",
            _STORM_MARGIN_MS,
            _beyond_provider_ms(results.storms),
            "ms",
        ),
    ]


@dataclass(frozen=True)
class _Comparison:
    results: Results

    def full(self, one: str, other: str, figure: Callable[[Round], float]) -> float | None:
        return ratio(self._rounds(one, "full"), self._rounds(other, "full"), figure)

    def paced(self, one: str, other: str, figure: Callable[[Round], float]) -> float | None:
        return ratio(self._rounds(one, "paced"), self._rounds(other, "paced"), figure)

    def asked(self, one: str, other: str) -> float | None:
        return ratio(self._rounds(one, "forward_auth"), self._rounds(other, "forward_auth"), _speed)

    def bulk(self, name: Bulk, ours: str) -> float | None:
        peers = self.results.peers
        if ours not in peers or GO not in peers:
            return None
        pairs = zip(peers[ours].bulk.get(name, []), peers[GO].bulk.get(name, []), strict=False)
        ratios = [one.cpu_s_per_gib / other.cpu_s_per_gib for one, other in pairs if other.cpu_s_per_gib]
        return statistics.median(ratios) if ratios else None

    def _rounds(self, key: str, kind: str) -> list[Round]:
        measured = self.results.peers.get(key)
        if measured is None:
            return []
        return {"full": measured.full, "paced": measured.paced, "forward_auth": measured.forward_auth}[kind]


def _memory(form: str) -> str:
    return f"doorward-{form}-memory"


def _redis(form: str) -> str:
    return f"doorward-{form}-redis"


def _speed(one: Round) -> float:
    return one.requests_per_s


def _cpu(one: Round) -> float:
    return one.total_cpu_us


def _p50(one: Round) -> float:
    return one.p50_ms


def _p99(one: Round) -> float:
    return one.p99_ms


def _least(what: str, limit: float, measured: float | None, unit: str = "x") -> Bar:
    return Bar(what, limit, unit, at_most=False, measured=measured)


def _most(what: str, limit: float, measured: float | None, unit: str = "x") -> Bar:
    return Bar(what, limit, unit, at_most=True, measured=measured)


def _idle_mb(results: Results, key: str) -> float | None:
    measured = results.peers.get(key)
    return None if measured is None or measured.idle is None else measured.idle.mb_per_10000


def _refreshes(storms: list[Storm]) -> float | None:
    """Of the worst run: one too many is a session lost at a provider that looks for reuse."""
    return max((storm.refreshes / storm.sessions for storm in storms), default=None)


def _beyond_provider_ms(storms: list[Storm]) -> float | None:
    return statistics.median(storm.p99_ms - storm.provider_ms for storm in storms) if storms else None
