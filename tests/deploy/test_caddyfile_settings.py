"""The Caddyfile by itself: its defaults, its settings, and TLS for a name, as Caddy reads them."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.caddy_door import CADDY, ROOT, caddy_environment

pytestmark = pytest.mark.caddy

CADDYFILE = ROOT / "Caddyfile"


def adapted(folder: Path, **settings: str) -> Any:
    return json.loads(run("adapt", folder, **settings).stdout)


def run(command: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CADDY, command, "--config", CADDYFILE],
        env=caddy_environment(folder, **settings),
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )


def test_without_settings_it_listens_on_this_machine_only(tmp_path: Path) -> None:
    servers = adapted(tmp_path)["apps"]["http"]["servers"]

    assert [server["listen"] for server in servers.values()] == [["127.0.0.1:8080"]]


def test_nobody_can_change_it_while_it_runs(tmp_path: Path) -> None:
    assert adapted(tmp_path)["admin"] == {"disabled": True, "config": {"persist": False}}


def test_its_certificate_authority_stays_out_of_the_machines_trust_store(tmp_path: Path) -> None:
    authorities = adapted(tmp_path)["apps"]["pki"]["certificate_authorities"]

    assert [authority["install_trust"] for authority in authorities.values()] == [False]


def test_an_open_stream_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    assert adapted(tmp_path)["apps"]["http"]["grace_period"] == 3 * 10**9


def test_no_credentials_are_logged(tmp_path: Path) -> None:
    assert "should_log_credentials" not in run("adapt", tmp_path).stdout


def test_a_slow_or_huge_head_is_cut_and_a_long_stream_is_not(tmp_path: Path) -> None:
    (server,) = adapted(tmp_path)["apps"]["http"]["servers"].values()

    assert server["read_header_timeout"] == 10 * 10**9
    assert server["max_header_bytes"] == 32_000
    assert "read_timeout" not in server
    assert "write_timeout" not in server


@pytest.mark.parametrize("address", ["door.example.com", "https://door.example.com"])
def test_a_name_as_address_switches_tls_on(tmp_path: Path, address: str) -> None:
    settings = {"SITE_ADDRESS": address, "OTHER_NAMES": "https://", "BIND": "0.0.0.0"}

    run("validate", tmp_path, **settings)
    (server,) = adapted(tmp_path, **settings)["apps"]["http"]["servers"].values()

    assert server["listen"] == ["0.0.0.0:443"]
    assert {"host": ["door.example.com"]} in [
        match for route in server["routes"] for match in route.get("match", [])
    ]
    assert "automatic_https" not in server


def test_the_list_of_settings_at_its_head_is_complete() -> None:
    text = CADDYFILE.read_text()
    head = text[: text.index("\n{")]

    assert set(re.findall(r"^#   ([A-Z_]+) ", head, re.MULTILINE)) == set(re.findall(r"\{\$([A-Z_]+):", text))
    assert "{$" not in re.sub(r"\{\$[A-Z_]+:[^}]+\}", "", text), "a setting without a default"


def test_it_is_written_as_caddy_formats_it() -> None:
    formatted = subprocess.run(
        [CADDY, "fmt", "-"], input=CADDYFILE.read_text(), capture_output=True, text=True, check=True
    )

    assert formatted.stdout == CADDYFILE.read_text()
