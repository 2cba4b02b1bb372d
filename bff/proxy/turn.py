"""Writing together: what is sent during one turn of the event loop leaves at its end.

Each write to a process that sleeps wakes it, which costs both sides more than the write. Of many in a row
only the first does; and what is written to one connection in one turn leaves in one piece.
"""

import asyncio
import fcntl
import select
import socket
import struct
import sys
import termios

# More than this at once would make the first ones wait for the last.
_MOST_TOGETHER = 32
# Longer pieces leave at once: they are worth a system call of their own, and no copy.
_LONG = 64 * 1024
# Lingering for no time: the system sends a reset in place of an end.
_AT_ONCE = struct.pack("ii", 1, 0)
# Linux alone tells of a client that has closed its half while more of it waits to be read.
_HANG_UP = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)


class Turn:
    """The connections that have something to send in this turn."""

    __slots__ = ("_loop", "_senders")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._senders: list[Sender] = []

    def add(self, sender: "Sender") -> None:
        if not self._senders:
            self._loop.call_soon(self._end)
        self._senders.append(sender)
        if len(self._senders) > _MOST_TOGETHER:
            self._end()

    def _end(self) -> None:
        senders, self._senders = self._senders, []
        for sender in senders:
            sender.flush()


class Sender:
    """The sending side of one connection. Whatever ends it sends first what is held back."""

    __slots__ = ("_pieces", "_transport", "_turn")

    def __init__(self, transport: asyncio.Transport, turn: Turn) -> None:
        self._transport = transport
        self._turn = turn
        self._pieces: list[bytes] = []

    @property
    def held_back(self) -> list[bytes]:
        """What leaves at the end of the turn; another list after it has left."""
        return self._pieces

    def write(self, data: bytes) -> None:
        pieces = self._pieces
        if len(data) > _LONG:
            self.flush()
            if not self._transport.is_closing():
                self._transport.write(data)
            return
        pieces.append(data)
        if len(pieces) == 1:
            self._turn.add(self)

    def flush(self) -> None:
        pieces = self._pieces
        if pieces:
            self._pieces = []
            # uvloop raises for a connection that has ended: those behind it would never be flushed.
            if not self._transport.is_closing():
                self._transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def write_eof(self) -> None:
        self.flush()
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()

    def abort(self) -> None:
        self._pieces = []
        self._transport.abort()

    def reset(self) -> None:
        """End it so that the other side sees a fault: a mere end makes half an answer whole for HTTP/1.0."""
        reset(self._transport)
        self._pieces = []

    def has_left(self) -> bool:
        """Whether the other side has hung up: nothing is heard of it while nothing is read."""
        connection = self._transport.get_extra_info("socket")
        if connection is None or self._transport.is_closing():
            return False
        poll = select.poll()
        poll.register(connection.fileno(), _HANG_UP)
        return bool(poll.poll(0))

    def unsent(self) -> int:
        """Bytes that the other side has not taken yet."""
        return sum(map(len, self._pieces)) + unsent(self._transport)


def reset(transport: asyncio.WriteTransport) -> None:
    connection = transport.get_extra_info("socket")
    if connection is not None and not transport.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()


def unsent(transport: asyncio.WriteTransport) -> int:
    """Bytes that the transport and the system hold for the other side."""
    connection = transport.get_extra_info("socket")
    try:
        held = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, AttributeError):
        held = b""  # closed meanwhile, or no socket
    return transport.get_write_buffer_size() + int.from_bytes(held, sys.byteorder)
