"""The attack corpora: rows of TOML, as the heads of the files describe them."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_FILL = re.compile(r"\{(a|zeros|empty|fields|interim):(\d+)\}")
_PATTERNS = {
    "a": "a",
    "zeros": "0",
    "empty": "\r\n",
    "fields": "\r\nX-F: 1",
    "interim": "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
}


@dataclass(frozen=True)
class RequestRow:
    name: str
    raw: str
    expect: str
    statuses: tuple[int, ...]
    sent: bytes | None
    never: tuple[bytes, ...]
    aiohttp_passes: bool


@dataclass(frozen=True)
class ResponseRow:
    name: str
    raw: bytes
    method: str
    closes: bool
    expect: str
    status: int
    body: bytes
    drops: bool
    never: tuple[bytes, ...]


def request_rows() -> list[RequestRow]:
    return [_request_row(row) for row in _read("requests.toml")]


def response_rows() -> list[ResponseRow]:
    return [_response_row(row) for row in _read("responses.toml")]


def _read(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = tomllib.loads((_HERE / name).read_text(encoding="utf-8"))["row"]
    assert all(row["name"] and row["source"] for row in rows)
    assert len({row["name"] for row in rows}) == len(rows), "two rows of one name"
    return rows


def _request_row(row: dict[str, Any]) -> RequestRow:
    line = row.get("line", "POST /api/x HTTP/1.1")
    fields = "".join(f"{field}\r\n" for field in row.get("fields", ()))
    raw = row.get("raw", f"{line}\r\n{{me}}{fields}\r\n{row.get('body', '')}")
    return RequestRow(
        name=row["name"],
        raw=_filled(raw),
        expect=row.get("expect", "refused"),
        statuses=tuple(row.get("status", [400])),
        sent=row["sent"].encode("latin-1") if "sent" in row else None,
        never=tuple(text.encode("latin-1") for text in row.get("never", ())),
        aiohttp_passes=row.get("aiohttp_passes", False),
    )


def _response_row(row: dict[str, Any]) -> ResponseRow:
    expect = row.get("expect", "502")
    return ResponseRow(
        name=row["name"],
        raw=_filled(row["raw"]).encode("latin-1"),
        method=row.get("method", "GET"),
        closes=row.get("closes", False),
        expect=expect,
        status=row.get("status", 200),
        body=row.get("body", "").encode("latin-1"),
        drops=row.get("drops", False) or expect in {"502", "cut"},
        never=tuple(text.encode("latin-1") for text in row.get("never", ())),
    )


def _filled(raw: str) -> str:
    return _FILL.sub(lambda found: _PATTERNS[found[1]] * int(found[2]), raw)
