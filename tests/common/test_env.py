"""Settings are read with a sentence for each fault, and all faults are told at once."""

from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from common.env import Environment, ListenAddress, SettingsError, read_environment

Read = Callable[[Environment], object]


def reading(reader: str, *arguments: Any) -> Read:
    def read(environment: Environment) -> object:
        return getattr(environment, reader)("NAME", *arguments)

    return read


GOOD = [
    pytest.param(reading("optional"), "  x ", "x", id="optional: trimmed"),
    pytest.param(reading("optional"), "   ", None, id="optional: blank is not set"),
    pytest.param(reading("text"), "x y", "x y", id="text"),
    pytest.param(reading("text", "default"), "", "default", id="text: default"),
    pytest.param(reading("words"), "a, b  c", ("a", "b", "c"), id="words: commas and blanks"),
    pytest.param(reading("words"), "", (), id="words: none"),
    pytest.param(reading("words", "a b"), "", ("a", "b"), id="words: default"),
    pytest.param(reading("choice", ("a", "b"), "a"), "b", "b", id="choice"),
    pytest.param(reading("choice", ("a", "b"), "a"), "", "a", id="choice: default"),
    pytest.param(reading("flag"), "TRUE", True, id="flag: true in any case"),
    pytest.param(reading("flag"), "1", True, id="flag: 1"),
    pytest.param(reading("flag"), "0", False, id="flag: 0"),
    pytest.param(reading("flag"), "", False, id="flag: off by default"),
    pytest.param(reading("duration", "1h"), "90s", timedelta(seconds=90), id="duration: seconds"),
    pytest.param(reading("duration", "1h"), "30m", timedelta(minutes=30), id="duration: minutes"),
    pytest.param(reading("duration", "1h"), "7d", timedelta(days=7), id="duration: days"),
    pytest.param(reading("duration", "1h"), "", timedelta(hours=1), id="duration: default"),
    pytest.param(reading("duration", "1h"), "3650d", timedelta(days=3650), id="duration: longest"),
    pytest.param(reading("url"), "https://a.example/x", "https://a.example/x", id="url"),
    pytest.param(reading("optional_url"), "", None, id="optional url: none"),
    pytest.param(reading("optional_url"), "http://a.example", "http://a.example", id="optional url"),
    pytest.param(
        reading("origin"), "https://App.Example.com:443/", "https://app.example.com", id="origin: normal form"
    ),
    pytest.param(reading("origin"), "http://[::1]:8080", "http://[::1]:8080", id="origin: IPv6"),
    pytest.param(reading("listen", ""), "0.0.0.0:80", ListenAddress("0.0.0.0", 80), id="listen"),
    pytest.param(reading("listen", ""), "[::1]:80", ListenAddress("::1", 80), id="listen: IPv6"),
    pytest.param(reading("listen", "a:1"), "", ListenAddress("a", 1), id="listen: default"),
    pytest.param(reading("listen", ""), "a:65535", ListenAddress("a", 65535), id="listen: highest port"),
    pytest.param(
        reading("networks"),
        "10.0.0.0/8 ::1",
        (ip_network("10.0.0.0/8"), ip_network("::1/128")),
        id="networks",
    ),
    pytest.param(reading("networks"), "", (), id="networks: none"),
    pytest.param(reading("secret"), " s3cret ", "s3cret", id="secret"),
    pytest.param(reading("secret"), "", None, id="secret: none"),
]


@pytest.mark.parametrize(("read", "text", "value"), GOOD)
def test_a_good_value_is_read(read: Read, text: str, value: object) -> None:
    environment = Environment({"NAME": text})

    assert read(environment) == value
    assert environment.faults == []
    assert "NAME" in environment.names


NOT_A_URL = "NAME must be an address such as https://host/path: no user, query or fragment."
NOT_A_LISTENER = "NAME is {!r}: write host:port, such as 127.0.0.1:8080 or [::1]:8080."
NOT_A_DURATION = "NAME is {!r}: write a number and a unit, such as 90s, 30m, 12h or 7d."

BAD = [
    pytest.param(reading("text"), "", "NAME is not set: it is required.", id="text: missing"),
    pytest.param(
        reading("choice", ("a", "b"), "a"), "c", "NAME is 'c': use one of a, b.", id="choice: another word"
    ),
    pytest.param(reading("flag"), "yes", "NAME is 'yes': use true or false.", id="flag: another word"),
    *(
        pytest.param(reading("duration", "1h"), text, NOT_A_DURATION.format(text), id=f"duration: {text}")
        for text in ("5", "0s", "-5m", "1w", "1h30m", "1.5h", "1٣s", "9999999999s")
    ),
    pytest.param(
        reading("duration", "1h"), "3651d", "NAME is '3651d': use at most 3650d.", id="duration: too long"
    ),
    pytest.param(
        reading("duration", "1h"),
        "999999999d",
        "NAME is '999999999d': use at most 3650d.",
        id="duration: no date could be that far away",
    ),
    pytest.param(reading("url"), "", "NAME is not set: it is required.", id="url: missing"),
    *(
        pytest.param(reading("url"), text, NOT_A_URL, id=f"url: {text}")
        for text in ("a.example", "https://u:p@a.example", "https://a.example?x=1", "HTTP://a.example")
    ),
    pytest.param(reading("optional_url"), "ftp://a", NOT_A_URL, id="optional url: another scheme"),
    pytest.param(
        reading("origin"),
        "https://a.example/path",
        "NAME is 'https://a.example/path': it must be an origin such as https://app.example.com, no path.",
        id="origin: with a path",
    ),
    pytest.param(reading("origin"), "*", NOT_A_URL, id="origin: wildcard"),
    pytest.param(reading("origin"), "null", NOT_A_URL, id="origin: null"),
    *(
        pytest.param(reading("listen", ""), text, NOT_A_LISTENER.format(text), id=f"listen: {text[:20]}")
        for text in ("8080", ":8080", "a:", "a:b", "a:65536", "a:-1", "a:+1", "a:٣", "a:" + "9" * 5000)
    ),
    pytest.param(
        reading("networks"),
        "10.0.0.1/8",
        "NAME has '10.0.0.1/8': write ranges such as 10.0.0.0/8 or 127.0.0.1/32.",
        id="networks: host bits set",
    ),
    pytest.param(
        reading("networks"),
        "private",
        "NAME has 'private': write ranges such as 10.0.0.0/8 or 127.0.0.1/32.",
        id="networks: a word",
    ),
]


@pytest.mark.parametrize(("read", "text", "sentence"), BAD)
def test_a_bad_value_is_one_sentence_that_names_the_variable(read: Read, text: str, sentence: str) -> None:
    environment = Environment({"NAME": text})

    read(environment)

    assert environment.faults == [sentence]


def test_all_faults_are_told_at_once() -> None:
    environment = Environment({"A": "maybe", "B": "soon", "C": "nowhere"})
    environment.flag("A")
    environment.duration("B", "1h")
    environment.listen("C", "")
    environment.text("D")
    environment.fault("E does not fit to F.")

    with pytest.raises(SettingsError) as raised:
        environment.finish()

    assert [fault[0] for fault in raised.value.faults] == ["A", "B", "C", "D", "E"]
    assert str(raised.value) == "\n".join(raised.value.faults)


def test_a_url_with_a_password_is_refused_without_repeating_the_password() -> None:
    environment = Environment({"NAME": "https://user:hunter2@a.example"})

    environment.origin("NAME")

    assert "hunter2" not in " ".join(environment.faults)


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    environment = Environment({"NAME_FILE": str(tmp_path / "secret")})

    assert environment.secret("NAME") == "s3cret"
    assert environment.faults == []


def secret_of_an_empty_file(folder: Path) -> dict[str, str]:
    (folder / "empty").write_text("\n")
    return {"NAME_FILE": str(folder / "empty")}


def secret_of_a_binary_file(folder: Path) -> dict[str, str]:
    (folder / "binary").write_bytes(b"\xff\xfe\xfd")
    return {"NAME_FILE": str(folder / "binary")}


def secret_in_both_ways(folder: Path) -> dict[str, str]:
    (folder / "secret").write_text("hunter2")
    return {"NAME": "hunter3", "NAME_FILE": str(folder / "secret")}


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        pytest.param(
            lambda folder: {"NAME_FILE": str(folder / "absent")},
            "NAME_FILE cannot be read (FileNotFoundError): check the path and its rights.",
            id="no such file",
        ),
        pytest.param(
            lambda folder: {"NAME_FILE": str(folder)},
            "NAME_FILE cannot be read (IsADirectoryError): check the path and its rights.",
            id="a folder",
        ),
        pytest.param(
            secret_of_a_binary_file,
            "NAME_FILE cannot be read (UnicodeDecodeError): check the path and its rights.",
            id="not text",
        ),
        pytest.param(
            secret_of_an_empty_file,
            "NAME_FILE names an empty file: write the secret into it.",
            id="empty file",
        ),
        pytest.param(secret_in_both_ways, "NAME and NAME_FILE are both set: keep one of them.", id="both"),
    ],
)
def test_a_secret_that_cannot_be_read_is_a_sentence_without_the_secret(
    variables: Callable[[Path], dict[str, str]], sentence: str, tmp_path: Path
) -> None:
    environment = Environment(variables(tmp_path))

    environment.secret("NAME")

    assert environment.faults == [sentence]


def test_the_process_environment_goes_before_the_dotenv_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("DOORWARD_A=file\nDOORWARD_B=file\nDOORWARD_C\n")
    monkeypatch.setenv("DOORWARD_A", "process")

    read = read_environment(tmp_path / ".env")

    assert (read["DOORWARD_A"], read["DOORWARD_B"]) == ("process", "file")
    assert "DOORWARD_C" not in read


def test_without_a_dotenv_file_the_process_environment_is_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOORWARD_A", "process")

    assert read_environment(tmp_path / ".env")["DOORWARD_A"] == "process"
