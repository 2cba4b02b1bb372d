"""The load on the apiserver: `python -m bench.api.load`, an order as JSON in, its figures as JSON out.

One process on epoll; every connection asks again as soon as it was answered. Every answer is judged by its
status, and that of a registration also by what it names.
"""

import base64
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count, cycle

import msgspec

from bench.cpu import cpu_seconds
from bench.load import Histogram
from common.randomness import SystemRandomness

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length: "
_READ_BYTES = 256 * 1024
_RANDOMNESS = SystemRandomness()


class Order(msgspec.Struct):
    """`kind`: what is asked. `bearers`: the tokens that it is asked with, in turn."""

    port: int
    kind: str
    bearers: list[str]
    pid: int
    seconds: float
    warm_s: float = 1.0
    connections: int = 64


class Figures(msgspec.Struct):
    """`wrong`: answers of another status than the right one."""

    seconds: float
    answers: int
    wrong: int
    p50_ms: float
    p99_ms: float
    longest_ms: float
    cpu_s: float
    load_cpu_s: float


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.asked_at = 0.0
        self._heard = b""

    def ask(self, request: bytes) -> None:
        self.asked_at = time.perf_counter()
        self.socket.sendall(request)

    def answer(self) -> bytes | None:
        """The whole answer, once it is there."""
        heard = self.socket.recv(_READ_BYTES)
        if not heard:
            raise SystemExit("The server closed a connection.")
        self._heard += heard
        head, end, body = self._heard.partition(_END_OF_HEAD)
        if not end:
            return None
        length = int(head.lower().split(_LENGTH, 1)[1].split(b"\r\n", 1)[0])
        if len(body) < length:
            return None
        answer, self._heard = self._heard, b""
        return answer


def requests_of(kind: str, bearers: list[str]) -> tuple[Iterator[bytes], bytes]:
    """Requests without end, and the beginning of a right answer."""
    makers: dict[str, Callable[[int, str], bytes]] = {
        "register": lambda number, bearer: _registration(number, bearer, key=None),
        "register with a key": lambda number, bearer: _registration(number, bearer, key=_public_key()),
        "device": lambda _, bearer: _get("/api/v1/devices/me", bearer),
        "edge": lambda number, bearer: _get(f"/authz/reports/{number}", bearer),
        "exchange": lambda _, bearer: _exchange(bearer),
        "list": lambda _, bearer: _get("/api/v1/devices?limit=100", bearer),
        "list by name": lambda _, bearer: _get("/api/v1/devices?limit=100&sort=name", bearer),
        "user": lambda _, bearer: _get("/api/v1/users/me", bearer),
        "hello": lambda _, bearer: _get("/", bearer),
    }
    make = makers[kind]
    status = b"HTTP/1.1 201 " if kind.startswith("register") else b"HTTP/1.1 200 "
    return (make(number, bearer) for number, bearer in zip(count(), cycle(bearers), strict=False)), status


def _get(path: str, bearer: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bearer}\r\n"
        "Accept: application/json\r\nUser-Agent: bench\r\n\r\n"
    ).encode()


def _registration(number: int, bearer: str, *, key: str | None) -> bytes:
    asked = {
        "name": f"new-{number}-{_RANDOMNESS.token_bytes(4).hex()}",
        "fingerprint": _RANDOMNESS.token_bytes(32).hex(),
    }
    body = msgspec.json.encode(asked if key is None else {**asked, "public_key": key})
    head = (
        f"POST /api/v1/devices HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bearer}\r\n"
        f"Content-Type: application/json\r\nUser-Agent: bench\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _exchange(secret: str) -> bytes:
    body = (
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange"
        f"&subject_token_type=urn:doorward:token-type:device&subject_token={secret}"
    )
    return (
        "POST /api/v1/token HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _public_key() -> str:
    # The highest byte below 127: a number that is in its canonical form, and no low-order point.
    return base64.b64encode(_RANDOMNESS.token_bytes(31) + b"\x01").decode()


def run(order: Order) -> Figures:
    requests, right = requests_of(order.kind, order.bearers)
    epoll = select.epoll()
    connections = {}
    for _ in range(order.connections):
        connection = _Connection(order.port)
        connections[connection.socket.fileno()] = connection
        epoll.register(connection.socket.fileno(), select.EPOLLIN)
        connection.ask(next(requests))
    latencies, wrong = Histogram(), 0

    def ask_until(ends_at: float) -> None:
        nonlocal wrong
        while time.perf_counter() < ends_at:
            for fd, _ in epoll.poll(0.1):
                answer = connections[fd].answer()
                if answer is None:
                    continue
                latencies.add(time.perf_counter() - connections[fd].asked_at)
                wrong += not answer.startswith(right)
                connections[fd].ask(next(requests))

    ask_until(time.perf_counter() + order.warm_s)
    latencies, wrong = Histogram(), 0
    cpu, own, started = cpu_seconds(order.pid), time.process_time(), time.perf_counter()
    ask_until(started + order.seconds)
    return Figures(
        seconds=time.perf_counter() - started,
        answers=latencies.count,
        wrong=wrong,
        p50_ms=latencies.percentile_ms(0.5),
        p99_ms=latencies.percentile_ms(0.99),
        longest_ms=latencies.longest_s * 1000,
        cpu_s=cpu_seconds(order.pid) - cpu,
        load_cpu_s=time.process_time() - own,
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(
        msgspec.json.encode(run(msgspec.json.decode(sys.stdin.buffer.read(), type=Order)))
    )
