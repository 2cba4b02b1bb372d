"""`docs/proxy.md` says what the proxy does: its limits, and which headers go up."""

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from bff.proxy.access_log import SAMPLE
from bff.proxy.headers import CookieNames, upward
from bff.proxy.heads import parse_request
from bff.proxy.limits import Limits
from bff.session.live import MOST_PER_SESSION
from common.serve import DRAIN_TIME_S

DOCUMENT = (Path(__file__).parents[2] / "docs" / "proxy.md").read_text(encoding="utf-8")
COOKIES = CookieNames(b"doorward_session", b"doorward_login_")


def shown(name: str, value: float) -> str:
    """As the document writes it."""
    if name == "head_bytes":
        return f"{value // 1024} KiB"
    return f"{value:g} s" if name.endswith("_s") else f"{value:,}"


def test_every_limit_is_in_the_table() -> None:
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| ([^|]+) \|", DOCUMENT, re.MULTILINE))

    assert rows == {name: shown(name, value) for name, value in asdict(Limits()).items()}


def test_the_other_numbers_are_those_of_the_code() -> None:
    assert f"{MOST_PER_SESSION} requests under way" in DOCUMENT
    assert f"still open after {DRAIN_TIME_S:.0f} seconds" in " ".join(DOCUMENT.split())
    assert SAMPLE == 100
    assert "one in a hundred is written" in " ".join(DOCUMENT.split())


def names_that_do_not_go_up() -> list[str]:
    table = DOCUMENT.partition("| does not go up |")[2].partition("\n\n")[0]
    firsts = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    names = [name for first in firsts for name in re.findall(r"`([A-Za-z_*-]+)`", first)]
    return [name.replace("*", "Anything") for name in names if name != "Cookie"]


def goes_up(name: str) -> bool:
    head = parse_request(f"GET /api/x HTTP/1.1\r\nHost: door\r\n{name}: x\r\n\r\n".encode(), 100)
    lines = upward(head, COOKIES).lines
    return name.lower().encode() in lines.lower()


@pytest.mark.parametrize("name", names_that_do_not_go_up())
def test_what_the_table_says_does_not_go_up(name: str) -> None:
    assert not goes_up(name)


def test_the_table_was_read() -> None:
    assert len(names_that_do_not_go_up()) > 40
    assert goes_up("X-Anything-Else")
