"""The development provider's configuration and process: what starts, and what is refused in which words."""

import asyncio
import json
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from common.clock import SystemClock
from common.randomness import SystemRandomness
from deploy.provider.app import build_provider
from deploy.provider.config import ConfigurationError, Lifetimes, check_config, read_config
from deploy.provider.loopback import is_loopback_authority, is_loopback_url
from deploy.provider.memory import ExpiringTable
from tests.fakes.clock import FakeClock

ROOT = Path(__file__).parents[2]


def a_configuration() -> dict[str, Any]:
    return {
        "issuer": "http://127.0.0.1:9090",
        "listen": "127.0.0.1:9090",
        "audience": "doorward-api",
        "clients": [
            {"client_id": "web", "client_secret": "s", "redirect_uris": ["http://localhost:8080/login/end"]}
        ],
        "users": [{"username": "alice", "password": "p", "name": "Alice", "email": "alice@example.com"}],
    }


def faults_of(content: object) -> list[str]:
    with pytest.raises(ConfigurationError) as refusal:
        check_config(content)
    return refusal.value.faults


def test_a_small_configuration_gets_safe_defaults() -> None:
    config = check_config(a_configuration())

    assert config.clients[0].grant_types == ("authorization_code", "refresh_token")
    assert config.lifetimes.access_token_s == 300
    assert config.device_interval_s == 5


def test_the_example_of_the_documentation_is_a_good_configuration_and_shows_the_defaults() -> None:
    document = (ROOT / "docs/development-provider.md").read_text()
    example = json.loads(document.partition("```json")[2].partition("```")[0])

    config = check_config(example)

    assert config.lifetimes == Lifetimes()
    assert check_config(a_configuration()).device_interval_s == config.device_interval_s


def test_secrets_do_not_show_in_the_representation() -> None:
    content = a_configuration()
    content["clients"][0]["client_secret"] = "visible-secret"
    content["users"][0]["password"] = "visible-password"

    assert "visible" not in repr(check_config(content))


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda c: c.update(listen="0.0.0.0:9090"), id="listens to all"),
        pytest.param(lambda c: c.update(listen="192.168.1.5:9090"), id="listens to a network"),
        pytest.param(lambda c: c.update(listen=":9090"), id="listens to no host"),
        pytest.param(lambda c: c.update(issuer="http://provider.example:9090"), id="issuer"),
        pytest.param(lambda c: c.update(issuer="http://127.0.0.1.nip.io:9090"), id="issuer by wildcard name"),
        pytest.param(lambda c: c.update(issuer="http://user@127.0.0.1:9090"), id="issuer with user"),
        pytest.param(lambda c: c["clients"][0].update(redirect_uris=["https://app.example/"]), id="redirect"),
        pytest.param(
            lambda c: c["clients"][0].update(redirect_uris=["myapp:/back"]), id="redirect to an app"
        ),
        pytest.param(
            lambda c: c["clients"][0].update(post_logout_redirect_uris=["http://10.0.0.1/"]), id="sign-out"
        ),
        pytest.param(
            lambda c: c["clients"][0].update(backchannel_logout_uri="http://app.example/"), id="back-channel"
        ),
    ],
)
def test_nothing_but_loopback_starts_and_the_reason_is_told(change: Change) -> None:
    content = a_configuration()
    change(content)

    faults = faults_of(content)
    assert len(faults) == 1
    assert "this provider is for development" in faults[0]
    assert "127.0.0.1, [::1] and localhost" in faults[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.pop("issuer"), "`issuer` is missing"),
        (lambda c: c.pop("listen"), "`listen` is missing"),
        (lambda c: c.pop("audience"), "`audience` is missing"),
        (lambda c: c.pop("clients"), "`clients` must be a list"),
        (lambda c: c.update(users=[]), "`users` must be a list with at least one"),
        (lambda c: c.update(users=["alice"]), "`users` number 1 must be a JSON object"),
        (lambda c: c.update(listen="127.0.0.1"), "`listen` needs a port"),
        (lambda c: c.update(issuer="http://127.0.0.1:9090/"), "no slash at its end"),
        (lambda c: c.update(issuer="https://127.0.0.1:9090"), "`issuer` must be http://"),
        (lambda c: c.update(issuer="http://127.0.0.1:9091"), "name different ports"),
        (lambda c: c.update(lifetime={}), "`lifetime` is not known here"),
        (lambda c: c.update(lifetimes={"code_s": 0}), "`code_s` must be a whole number of seconds above 0"),
        (lambda c: c.update(lifetimes={"code_s": True}), "`code_s` must be a whole number"),
        (lambda c: c.update(device_interval_s="5"), "`device_interval_s` must be a whole number"),
        (lambda c: c.update(resources="x"), "`resources` must be a list of texts"),
        (lambda c: c["clients"].append(c["clients"][0]), "client_id 'web' is there twice"),
        (lambda c: c["users"].append(c["users"][0]), "username 'alice' is there twice"),
        (lambda c: c["clients"][0].update(grant_types=["password"]), "grant type 'password' is not offered"),
        (lambda c: c["clients"][0].pop("redirect_uris"), "`redirect_uris` is needed"),
        (lambda c: c["clients"][0].update(secret="x"), "`secret` is not known here"),
        (lambda c: c["users"][0].update(password=""), "`password` must be a text that is not empty"),
    ],
)
def test_a_fault_is_named_in_a_sentence(change: Change, words: str) -> None:
    content = a_configuration()
    change(content)

    faults = faults_of(content)
    assert len(faults) == 1
    assert words in faults[0]


def test_all_faults_are_told_together() -> None:
    faults = faults_of(
        {"issuer": "http://a.example", "listen": "0.0.0.0:1", "clients": [{}], "users": 1, "x": 1}
    )

    assert len(faults) == 7


@pytest.mark.parametrize("content", [None, [], "x", 1])
def test_a_configuration_that_is_no_object_is_refused(content: object) -> None:
    assert faults_of(content) == ["the configuration must be a JSON object."]


def test_a_file_that_is_missing_or_not_json_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "config.json"
    broken.write_text("{")

    for path, words in [(tmp_path / "none.json", "cannot be read"), (broken, "is not JSON")]:
        with pytest.raises(ConfigurationError, match=words):
            read_config(path)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"kty": "EC"}', '{"kty": "RSA"}', "null"])
def test_a_data_file_without_a_key_is_refused(tmp_path: Path, content: str) -> None:
    data_file = tmp_path / "key.json"
    data_file.write_text(content)
    config = check_config({**a_configuration(), "data_file": str(data_file)})

    with pytest.raises(ConfigurationError, match="delete it to have a new one made"):
        build_provider(config, clock=SystemClock(), randomness=SystemRandomness())


def test_a_new_data_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    data_file = tmp_path / "key.json"
    config = check_config({**a_configuration(), "data_file": str(data_file)})

    build_provider(config, clock=SystemClock(), randomness=SystemRandomness())

    assert data_file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key.json"]


@pytest.mark.parametrize("authority", ["127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:80", "localhost:8080"])
def test_names_of_this_machine(authority: str) -> None:
    assert is_loopback_authority(authority)
    assert is_loopback_url(f"http://{authority}/path?query=1")


@pytest.mark.parametrize(
    "authority",
    [
        *("", ":80", "127.0.0.2", "127.1", "0.0.0.0", "0", "2130706433", "0x7f.1", "[::]", "[::1", "::1"),
        *("[::ffff:127.0.0.1]", "localhost.", "localhost.example", "evil.example", "127.0.0.1:80:80"),
        *("127.0.0.1:x", "127.0.0.1@evil.example", "evil@127.0.0.1", "127.0.0.1/..", "127.0.0.1\\@evil"),
        *("127.0.0.1?", "127.0.0.1#", " localhost", "localhost ", "127.0.0.1\t", "ⓛocalhost"),
    ],
)
def test_names_that_are_not_this_machine(authority: str) -> None:
    assert not is_loopback_authority(authority)


@pytest.mark.parametrize(
    "url", ["//127.0.0.1/", "127.0.0.1", "ftp://127.0.0.1/", "http://127.0.0.1/#x", "javascript:alert(1)", ""]
)
def test_addresses_that_are_not_plain_http(url: str) -> None:
    assert not is_loopback_url(url)


def test_a_table_forgets_the_oldest_when_it_is_full_and_all_in_time() -> None:
    clock = FakeClock()
    table: ExpiringTable[int] = ExpiringTable(clock, lifetime_s=10, most_entries=2)
    table.put("a", 1)
    clock.advance(seconds=4)
    table.put("b", 2)
    table.put("a", 3)
    table.put("c", 4)

    assert (table.get("a"), table.get("b"), table.get("c")) == (3, None, 4)
    clock.advance(seconds=10)
    assert (table.get("a"), table.get("c")) == (None, None)


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.provider", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_the_process_says_where_it_listens_and_ends_on_sigterm(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    content = {**a_configuration(), "issuer": f"http://127.0.0.1:{port}", "listen": f"127.0.0.1:{port}"}
    config = tmp_path / "config.json"
    config.write_text(json.dumps(content))

    process = await start(str(config))
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    async with httpx.AsyncClient(verify=False) as http:
        answer = await http.get(f"http://127.0.0.1:{port}/.well-known/openid-configuration")
    second = await start(str(config))
    _, its_errors = await second.communicate()
    process.send_signal(signal.SIGTERM)
    rest, errors = await process.communicate()

    assert line == f"The development provider listens on http://127.0.0.1:{port}\n"
    assert answer.json()["issuer"] == f"http://127.0.0.1:{port}"
    assert (process.returncode, rest, errors) == (0, b"", b"")
    assert second.returncode == 1
    assert re.fullmatch(rf"Port {port} cannot be used: .+\.\n", its_errors.decode())


async def test_the_process_lists_all_faults_and_does_not_start(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**a_configuration(), "listen": "0.0.0.0:9090", "x": 1}))

    process = await start(str(config))
    output, errors = await process.communicate()

    assert process.returncode == 2
    assert output == b""
    assert errors.decode().count("\n- ") == 2
    assert "Traceback" not in errors.decode()
