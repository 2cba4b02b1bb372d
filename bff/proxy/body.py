"""Bodies in chunks: read strictly, and written anew (RFC 9112 section 7.1).

What is passed on is never what was received: sizes are written by us, extensions and trailers stay here. So
the next server cannot read a chunk in another way than this one, and a trailer cannot bring a header that
the table of headers keeps out.
"""

from bff.proxy.heads import BadHeadError

LAST_CHUNK = b"0\r\n\r\n"

_HEX = frozenset(b"0123456789abcdefABCDEF")
_MOST_SIZE_DIGITS = 15
_LONGEST_SIZE_LINE = 256
_LONGEST_TRAILER_LINE = 8 * 1024
_MOST_TRAILER_BYTES = 16 * 1024


def chunk(data: bytes) -> bytes:
    """One chunk. `data` must not be empty: that would be the last one."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class ChunkDecoder:
    """Takes a chunked body apart. `is_finished` when its trailers have ended; what follows is not touched."""

    __slots__ = ("_kept", "_left", "_trailer_bytes", "is_finished")

    def __init__(self) -> None:
        self._kept = b""
        # Bytes of the chunk that are still to come; 0: a size line is next; -1: trailers.
        self._left = 0
        self._trailer_bytes = 0
        self.is_finished = False

    def feed(self, received: bytes) -> tuple[bytes, bytes]:
        """The data in `received`, and what of it lies behind the body. Raises `BadHeadError`."""
        data = self._kept + received if self._kept else received
        self._kept = b""
        pieces: list[bytes] = []
        at, size = 0, len(data)
        while at < size and not self.is_finished:
            at = self._take_data(data, at, pieces) if self._left > 0 else self._take_line(data, at)
        rest = data[at:] if self.is_finished else b""
        return pieces[0] if len(pieces) == 1 else b"".join(pieces), rest

    def _take_data(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        """`_left` counts the line end behind the data as well."""
        of_chunk = min(self._left - 2, len(data) - at)
        if of_chunk > 0:
            pieces.append(data[at : at + of_chunk])
            self._left -= of_chunk
            return at + of_chunk
        expected = b"\r\n"[2 - self._left : 2 - self._left + len(data) - at]
        if not data.startswith(expected, at):
            raise BadHeadError("chunk_end")
        self._left -= len(expected)
        return at + len(expected)

    def _take_line(self, data: bytes, at: int) -> int:
        longest = _LONGEST_SIZE_LINE if self._left == 0 else _LONGEST_TRAILER_LINE
        end = data.find(b"\n", at, at + longest)
        if end < 0:
            if len(data) - at >= longest:
                raise BadHeadError("chunk_line_too_long")
            self._kept = data[at:]
            return len(data)
        # A line feed alone ends a line for some servers and not for others.
        if data[end - 1 : end] != b"\r" or end == at:
            raise BadHeadError("bare_line_feed")
        line = data[at : end - 1]
        if self._left == 0:
            self._begin_chunk(line)
        else:
            self._drop_trailer(line)
        return end + 1

    def _begin_chunk(self, line: bytes) -> None:
        digits, _, extension = line.partition(b";")
        if not digits or len(digits) > _MOST_SIZE_DIGITS or not _HEX.issuperset(digits):
            raise BadHeadError("chunk_size")
        if b"\r" in extension or b"\0" in extension:
            raise BadHeadError("chunk_extension")
        length = int(digits, 16)
        self._left = length + 2 if length else -1

    def _drop_trailer(self, line: bytes) -> None:
        self._trailer_bytes += len(line)
        if self._trailer_bytes > _MOST_TRAILER_BYTES or b"\r" in line or b"\0" in line:
            raise BadHeadError("trailer")
        self.is_finished = not line
