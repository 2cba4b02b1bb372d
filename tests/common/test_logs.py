"""Log lines are JSON, those of libraries too, and the text of an exception never stands in one."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from common.logs import configure_logs

SECRET = "the-token-that-an-error-quotes"


@pytest.fixture(autouse=True)
def logging_left_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> "Lines":
    return Lines(capsys)


class Lines:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]


def fail() -> None:
    raise ValueError(f"cannot read {SECRET}")


def test_a_line_of_ours_is_one_json_object(lines: Lines) -> None:
    configure_logs(debug=False)

    structlog.get_logger("ours").warning("task_failed", task="a\nb", number=3)

    [line] = lines.read()
    assert (line["event"], line["level"], line["task"], line["number"]) == (
        "task_failed",
        "warning",
        "a\nb",
        3,
    )
    assert line["timestamp"].endswith("Z")


def test_a_line_of_a_library_has_the_same_form_and_names_the_library(lines: Lines) -> None:
    configure_logs(debug=False)

    logging.getLogger("some.library").warning("%s went wrong", "it")

    [line] = lines.read()
    assert (line["event"], line["level"], line["logger"]) == ("it went wrong", "warning", "some.library")


@pytest.mark.parametrize("debug", [False, True])
def test_the_text_of_an_exception_is_never_written(lines: Lines, debug: bool) -> None:
    configure_logs(debug=debug)
    try:
        fail()
    except ValueError as error:
        structlog.get_logger("ours").exception("ours_failed")
        structlog.get_logger("ours").error("ours_failed", exc_info=error)
        logging.getLogger("library").exception("library failed")
        logging.getLogger("library").warning("library failed", exc_info=error)

    written = lines.read()
    assert len(written) == 4
    for line in written:
        assert line["error"] == "ValueError"
        assert any("in fail" in frame for frame in line["frames"])
        assert SECRET not in json.dumps(line)


def test_without_an_exception_there_are_no_frames(lines: Lines) -> None:
    configure_logs(debug=False)

    structlog.get_logger("ours").error("nothing_raised", exc_info=True)

    [line] = lines.read()
    assert "frames" not in line


@pytest.mark.parametrize(
    "name", ["httpx", "httpcore.connection", "aiohttp.access", "sqlalchemy.engine.Engine"]
)
def test_libraries_that_write_addresses_and_values_are_silent_even_in_debug(lines: Lines, name: str) -> None:
    configure_logs(debug=True)

    logging.getLogger(name).info("GET /callback?code=%s", SECRET)

    assert lines.read() == []


def test_debug_lines_are_written_only_when_asked_for(lines: Lines) -> None:
    for debug in (False, True):
        configure_logs(debug=debug)
        structlog.get_logger("ours").debug("detail", debug=debug)
        logging.getLogger("library").debug("detail")

    assert [line["level"] for line in lines.read()] == ["debug", "debug"]
