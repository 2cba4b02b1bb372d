"""The load: `python -m bench.load`, a window's description as JSON in, its figures as JSON out.

One process, one thread, one epoll and prebuilt requests: about six microseconds a request, so that it is
never the slowest on its core. Closed loop: every connection asks again as soon as it was answered. Open loop
(`rate`): requests leave by the clock, and the time that one waits for a free connection counts as latency.
"""

import select
import sys
import time
from collections import deque

import msgspec

from bench.conversation import Conversation, Verdict
from bench.cpu import cpu_seconds
from bench.traffic import Kind, Question, question

_BUCKETS_PER_S = 100_000
_BUCKETS = 2 * _BUCKETS_PER_S
_LONGEST_WAIT_S = 0.1
_MOST_BROKEN = 1000


class Order(msgspec.Struct):
    """A window to measure. Connections go to the `ports` in turn.

    `watched`: processes by name, whose CPU time is read at the window's two ends. `drain_s`: how long answers
    are waited for after it, when nothing more is asked. `proofs`: of each cookie, for answers without a body.
    """

    ports: list[int]
    cookies: list[str]
    seconds: float
    warm_s: float = 0.5
    connections: int = 64
    kind: Kind = "items"
    size: int = 0
    rate: float | None = None
    watched: dict[str, int] = {}
    drain_s: float = 0.0
    proofs: list[str] = []


class Window(msgspec.Struct):
    """What was measured. `wrong`: whole answers that were not ours or not 200; `broken`: none at all."""

    seconds: float
    answers: int
    wrong: int
    broken: int
    taken_bytes: int
    p50_ms: float
    p99_ms: float
    longest_ms: float
    cpu_s: dict[str, float]
    load_cpu_s: float


class Histogram:
    """Latencies in buckets of ten microseconds; the last one holds all that is longer."""

    def __init__(self) -> None:
        self._buckets = [0] * _BUCKETS
        self.count = 0
        self.longest_s = 0.0

    def add(self, seconds: float) -> None:
        self._buckets[min(int(seconds * _BUCKETS_PER_S), _BUCKETS - 1)] += 1
        self.count += 1
        self.longest_s = max(seconds, self.longest_s)

    def percentile_ms(self, share: float) -> float:
        wanted, seen = share * self.count, 0
        for bucket, count in enumerate(self._buckets):
            seen += count
            if seen >= wanted and seen:
                return (bucket + 0.5) / _BUCKETS_PER_S * 1000
        return 0.0


class Load:
    def __init__(self, order: Order) -> None:
        self._order = order
        proofs = order.proofs or [""] * len(order.cookies)
        self._questions = [
            question(order.kind, number, order.size, cookie, proof)
            for number, (cookie, proof) in enumerate(zip(order.cookies, proofs, strict=True))
        ]
        self._next_question = 0
        self._epoll = select.epoll()
        self._conversations: dict[int, Conversation] = {}
        self._free: deque[Conversation] = deque()
        self._due_at = 0.0
        self._forget_counts()

    def run(self) -> Window:
        order = self._order
        for number in range(order.connections):
            self._connect(order.ports[number % len(order.ports)])
        try:
            self._ask_until(time.perf_counter() + order.warm_s)
            self._forget_counts()
            cpu_before, own_before = self._cpu(), time.process_time()
            taken_before, started = self._taken(), time.perf_counter()
            self._ask_until(started + order.seconds)
            seconds, cpu_after = time.perf_counter() - started, self._cpu()
            self._drain(started + order.seconds)
        finally:
            for conversation in self._conversations.values():
                conversation.close()
        return Window(
            seconds=seconds,
            answers=self._latencies.count,
            wrong=self._wrong,
            broken=self._broken,
            taken_bytes=self._taken() - taken_before,
            p50_ms=self._latencies.percentile_ms(0.5),
            p99_ms=self._latencies.percentile_ms(0.99),
            longest_ms=self._latencies.longest_s * 1000,
            cpu_s={name: cpu_after[name] - cpu_before[name] for name in cpu_after},
            load_cpu_s=time.process_time() - own_before,
        )

    def _ask_until(self, ends_at: float) -> None:
        rate = self._order.rate
        self._due_at = time.perf_counter()
        while (now := time.perf_counter()) < ends_at:
            if rate is None:
                self._ask_all_free(now)
                self._hear(_LONGEST_WAIT_S)
                continue
            wait_s = self._ask_what_is_due(now, rate)
            # epoll counts in milliseconds, which would send requests in bunches; select counts finer.
            if select.select([self._epoll], [], [], wait_s)[0]:
                self._hear(0)

    def _drain(self, window_end: float) -> None:
        """Wait for what is under way, and for what was due in the window and could not leave in time."""
        ends_at = window_end + self._order.drain_s
        if self._order.rate is not None and self._order.drain_s:
            self._ask_what_is_due(window_end - 0.5 / self._order.rate, self._order.rate)
        while len(self._free) < len(self._conversations) and time.perf_counter() < ends_at:
            self._hear(_LONGEST_WAIT_S)

    def _ask_all_free(self, now: float) -> None:
        while self._free:
            self._free.popleft().ask(self._question(), now)

    def _ask_what_is_due(self, now: float, rate: float) -> float:
        """How long nothing more is to be sent."""
        while self._due_at <= now and self._free:
            self._free.popleft().ask(self._question(), self._due_at)
            self._due_at += 1 / rate
        return max(self._due_at - now, 0.0) if self._free else _LONGEST_WAIT_S

    def _hear(self, timeout_s: float) -> None:
        for fd, events in self._epoll.poll(timeout_s):
            conversation = self._conversations[fd]
            verdict = conversation.go_on(events)
            if verdict is Verdict.PENDING:
                continue
            if verdict is Verdict.BROKEN:
                self._count_broken()
                self._replace(conversation)
                continue
            now = time.perf_counter()
            self._latencies.add(now - conversation.asked_at)
            self._wrong += verdict is Verdict.WRONG
            if self._order.rate is None:
                conversation.ask(self._question(), now)
            else:
                self._free.append(conversation)

    def _count_broken(self) -> None:
        self._broken += 1
        if self._broken > _MOST_BROKEN:
            raise SystemExit(
                f"Ports {self._order.ports} broke off {_MOST_BROKEN} requests: nothing to measure."
            )

    def _question(self) -> Question:
        self._next_question += 1
        if self._next_question >= len(self._questions):
            self._next_question = 0
        return self._questions[self._next_question]

    def _connect(self, port: int) -> None:
        conversation = Conversation(port, self._epoll)
        self._conversations[conversation.fd] = conversation
        self._free.append(conversation)

    def _replace(self, conversation: Conversation) -> None:
        del self._conversations[conversation.fd]
        if conversation in self._free:
            self._free.remove(conversation)
        self._lost_bytes += conversation.taken_bytes
        conversation.close()
        self._connect(conversation.port)

    def _taken(self) -> int:
        return self._lost_bytes + sum(
            conversation.taken_bytes for conversation in self._conversations.values()
        )

    def _cpu(self) -> dict[str, float]:
        return {name: cpu_seconds(pid) for name, pid in self._order.watched.items()}

    def _forget_counts(self) -> None:
        self._latencies = Histogram()
        self._wrong = self._broken = self._lost_bytes = 0


def main() -> None:
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    sys.stdout.buffer.write(msgspec.json.encode(Load(order).run()))


if __name__ == "__main__":
    main()
