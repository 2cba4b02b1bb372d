"""The service behind every peer: `python -m bench.upstream PORT`. Does as little as an answer allows."""

import asyncio
import sys
from typing import cast

import httptools
import uvloop

from bench.traffic import (
    BYTES_PATH,
    HEADERS_PATH,
    ITEM_DIGITS,
    ITEM_PATH,
    NOTHING_PATH,
    UPLOAD_PATH,
    item_body,
    upload_body,
)

_PIECE = bytes(256 * 1024)
_ITEM_LINE = b"GET " + ITEM_PATH
_DIGITS_AT = slice(len(_ITEM_LINE), len(_ITEM_LINE) + ITEM_DIGITS)
_JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_ITEM_HEAD = _JSON_HEAD % len(item_body(b"0" * ITEM_DIGITS))
_BYTES_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"
_NOTHING = b"HTTP/1.1 204 No Content\r\n\r\n"
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One connection. Items are answered without a parser, everything else by llhttp."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._parser: httptools.HttpRequestParser | None = None
        self._path = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._received = 0
        self._left_to_send = 0
        self._is_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class

    def data_received(self, data: bytes) -> None:
        if self._parser is None and data.startswith(_ITEM_LINE) and data.endswith(b"\r\n\r\n"):
            self._transport.write(_ITEM_HEAD + item_body(data[_DIGITS_AT]))
            return
        if self._parser is None:
            self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(data)

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        self._send_pieces()

    # What llhttp calls

    def on_message_begin(self) -> None:
        self._path, self._headers, self._received = b"", [], 0

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self._received += len(body)

    def on_message_complete(self) -> None:
        if self._path.startswith(BYTES_PATH):
            self._left_to_send = int(self._path.removeprefix(BYTES_PATH))
            self._transport.write(_BYTES_HEAD % self._left_to_send)
            self._send_pieces()
            return
        self._transport.write(self._answer())

    def _answer(self) -> bytes:
        if self._path.startswith(ITEM_PATH):
            return _ITEM_HEAD + item_body(self._path.removeprefix(ITEM_PATH))
        if self._path == UPLOAD_PATH:
            body = upload_body(self._received)
            return _JSON_HEAD % len(body) + body
        if self._path == HEADERS_PATH:
            body = b"".join(name + b": " + value + b"\n" for name, value in self._headers)
            return _JSON_HEAD % len(body) + body
        return _NOTHING if self._path == NOTHING_PATH else _NOT_FOUND

    def _send_pieces(self) -> None:
        while self._left_to_send and not self._is_paused:
            piece = _PIECE if self._left_to_send >= len(_PIECE) else _PIECE[: self._left_to_send]
            self._left_to_send -= len(piece)
            self._transport.write(piece)


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
