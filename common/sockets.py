"""Sockets whose other side may vanish without a word: a machine that lost its power or its network."""

import socket
from typing import Protocol

_SILENT_S = 60


class Socket(Protocol):
    """What a real socket and the one that uvloop shows have in common."""

    @property
    def family(self) -> int: ...

    def setsockopt(self, level: int, option: int, value: int, /) -> None: ...


def ask_whether_it_is_there(connection: Socket | None) -> None:
    """Let the system ask after a minute of silence. What a listener is told, its connections inherit.

    A stream or WebSocket may be silent for hours; without this it would be kept for ever.
    """
    if connection is None or connection.family == socket.AF_UNIX:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):  # elsewhere the system asks after two hours
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _SILENT_S)
