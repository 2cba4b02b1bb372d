"""Idle browsers: `python -m bench.idle`, an order as JSON in, what they cost as JSON out.

Every connection asks once and then stays open without a word.
"""

import resource
import socket
import sys
import time

import msgspec

from bench.cpu import resident_bytes
from bench.traffic import question

_SPARE_FILES = 200
_SETTLE_S = 1.0


class IdleOrder(msgspec.Struct):
    port: int
    cookies: list[str]
    connections: int
    watched: dict[str, int]


class IdleFigures(msgspec.Struct):
    """`connections`: as many as the limit on open files let be; `bytes_each`: what one more of them takes."""

    connections: int
    bytes_each: float


def most_connections(wanted: int) -> int:
    """Raises this process's limit as far as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard - _SPARE_FILES)


def hold(order: IdleOrder) -> IdleFigures:
    """The growth over the second half: the first one fills what earlier work left free."""
    half = most_connections(order.connections) // 2
    held = [_asked_once(order, number) for number in range(half)]
    before = _settled(order)
    held += [_asked_once(order, number) for number in range(half)]
    grown = _settled(order) - before
    for connection in held:
        connection.close()
    return IdleFigures(2 * half, grown / half)


def _asked_once(order: IdleOrder, number: int) -> socket.socket:
    turn = number % len(order.cookies)
    asked = question("items", turn, 0, order.cookies[turn])
    connection = socket.create_connection(("127.0.0.1", order.port))
    connection.sendall(asked.head)
    answer = b""
    while not answer.endswith(asked.answer or b""):
        data = connection.recv(65536)
        if not data:
            raise SystemExit(f"Connection {number} was closed.")
        answer += data
    return connection


def _settled(order: IdleOrder) -> int:
    time.sleep(_SETTLE_S)
    return sum(resident_bytes(pid) for pid in order.watched.values())


def main() -> None:
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=IdleOrder)
    sys.stdout.buffer.write(msgspec.json.encode(hold(order)))


if __name__ == "__main__":
    main()
