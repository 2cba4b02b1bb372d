"""Starts each proxy by its file in deploy/, with the addresses of a test in place of those in the file."""

import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.demo.crew import Crew
from deploy.demo.parts import Part
from deploy.testing.parts import CADDY, ROOT, envoy, nginx, traefik
from tests.deploy.proxies.ground import SERVICE_AUDIENCE, Ground, Wiring, all_answer

DEPLOY = ROOT / "deploy"

_TLS_TO_THE_PROVIDER = re.compile(r"\n *transport_socket: # TLS.*TLS to the provider: end\n", re.DOTALL)
_SECRETS = re.compile(r"dw[drs]_\w{20,}|eyJ[\w-]{20,}|[?&]code=|doorward_session=")

Make = Callable[[Wiring, Path], Part]
"""Writes what the proxy needs into a folder, and says how it starts."""


@dataclass(frozen=True)
class Edge:
    """A proxy that runs."""

    name: str
    url: str
    ground: Ground


@asynccontextmanager
async def run_edge(make: Make, ground: Ground, wiring: Wiring) -> AsyncIterator[Edge]:
    folder = ground.folder.path / f"{make.__name__}-{wiring.port}"
    folder.mkdir(exist_ok=True)
    part = make(wiring, folder)
    crew = Crew(ground.folder, ground.tasks)
    await crew.start(part)
    try:
        await all_answer([part])
        yield Edge(part.name, wiring.url, ground)
    except BaseException as error:
        error.add_note(ground.folder.log(part.name).read_text()[-3000:])
        raise
    finally:
        await crew.stop()
    logs = [ground.folder.log(part.name), *folder.glob("*.log")]
    assert not [found for log in logs for found in _SECRETS.findall(log.read_text())]


def by_caddy(wiring: Wiring, folder: Path) -> Part:
    return _part(
        "caddy",
        wiring,
        (str(CADDY), "run", "--config", str(DEPLOY / "caddy" / "forward-auth.Caddyfile")),
        {"SITE_ADDRESS": wiring.url, "CADDY_STORAGE": str(folder), **_environment(wiring)},
    )


def by_traefik(wiring: Wiring, folder: Path, changes: dict[str, str] | None = None) -> Part:
    routers = _changed((DEPLOY / "traefik" / "doorward.yaml").read_text(), changes or {})
    (folder / "doorward.yaml").write_text(routers)
    static = _changed(
        (DEPLOY / "traefik" / "traefik.yaml").read_text(),
        {
            "127.0.0.1:8080": f"127.0.0.1:{wiring.port}",
            "deploy/traefik/doorward.yaml #": f"{folder / 'doorward.yaml'} #",
        },
    )
    (folder / "traefik.yaml").write_text(static)
    command = (str(traefik()), f"--configFile={folder / 'traefik.yaml'}")
    return _part("traefik", wiring, command, _environment(wiring))


def by_limited_traefik(wiring: Wiring, folder: Path) -> Part:
    return by_traefik(
        wiring,
        folder,
        {
            'average: {{ env "USER_RATE" | default "50" }}': "average: 1\n        period: 1h",
            'burst: {{ env "USER_BURST" | default "200" }}': "burst: 3",
        },
    )


def by_limited_nginx(wiring: Wiring, folder: Path) -> Part:
    # The burst counts those beyond the first.
    return by_nginx(wiring, folder, {"rate=50r/s": "rate=1r/m", "burst=200": "burst=2"})


def by_nginx(wiring: Wiring, folder: Path, changes: dict[str, str] | None = None) -> Part:
    site = _changed(
        (DEPLOY / "nginx" / "doorward.conf").read_text(),
        {
            **(changes or {}),
            "/var/log/nginx/doorward.log": str(folder / "access.log"),
            "X-Authz-Audience doorward-api": f"X-Authz-Audience {SERVICE_AUDIENCE}",
            **_addresses(wiring),
        },
    )
    (folder / "doorward.conf").write_text(site)
    places = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    # Started as root it would give up rights, and then not write into the folder.
    user = "user root root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr; events {{}}\n"
        # Without this it opens that of the machine, which is not there where nginx was unpacked.
        f"http {{\n  access_log {folder}/other.log;\n"
        + "".join(f"  {place}_temp_path {folder}/{place};\n" for place in places)
        + f"  include {folder}/doorward.conf;\n}}\n"
    )
    command = (str(nginx()), "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf"))
    return _part("nginx", wiring, command, {})


def by_envoy(wiring: Wiring, folder: Path, changes: dict[str, str] | None = None) -> Part:
    config = (DEPLOY / "envoy" / "envoy.yaml").read_text()
    config, found = _TLS_TO_THE_PROVIDER.subn("\n", config)
    assert found == 1
    file = folder / "envoy.yaml"
    file.write_text(_changed(config, _in_envoys_words(wiring) | (changes or {})))
    quietly = ("--concurrency", "1", "--disable-hot-restart", "-l", "warning")
    command = (str(envoy()), "-c", str(file), *quietly)
    return _part("envoy", wiring, command, {})


def _in_envoys_words(wiring: Wiring) -> dict[str, str]:
    addresses = _addresses(wiring) | {"login.example.com:443": wiring.issuer.removeprefix("http://")}
    return {
        **{_in_yaml(old): _in_yaml(new) for old, new in addresses.items()},
        "https://login.example.com/realms/main/jwks": wiring.issuer_keys,
        "https://login.example.com/realms/main": wiring.issuer,
        "https://door.example.com": wiring.public_url,
        '["doorward-api"] # CHANGE: TOKEN_AUDIENCES': f'["doorward-api", "{SERVICE_AUDIENCE}"]',
        "value: doorward-api } # CHANGE: whom": f"value: {SERVICE_AUDIENCE} }} # whom",
    }


def _in_yaml(address: str) -> str:
    return "address: {}, port_value: {}".format(*address.split(":"))


def _part(name: str, wiring: Wiring, command: tuple[str, ...], settings: dict[str, str]) -> Part:
    return Part(f"{name}-{wiring.port}", command, settings, wiring.url, f"{wiring.url}/openapi.json")


def _environment(wiring: Wiring) -> dict[str, str]:
    return {
        "AGENT": wiring.agent,
        "AGENT_PRIVATE": wiring.agent_private,
        "AGENT_DEVICE": wiring.agent_device,
        "APISERVER": wiring.apiserver,
        "APISERVER_PRIVATE": wiring.apiserver_private,
        "SERVICE": wiring.service,
        "AUDIENCE": SERVICE_AUDIENCE,
    }


def _addresses(wiring: Wiring) -> dict[str, str]:
    """What stands in the files, and what a test has instead."""
    return {
        "127.0.0.1:8080": f"127.0.0.1:{wiring.port}",
        "127.0.0.1:8081": wiring.agent,
        "127.0.0.1:9081": wiring.agent_private,
        "127.0.0.1:8083": wiring.agent_device,
        "127.0.0.1:8082": wiring.apiserver,
        "127.0.0.1:9082": wiring.apiserver_private,
        "127.0.0.1:8090": wiring.service,
    }


def _changed(text: str, changes: dict[str, str]) -> str:
    """In one go, so that nothing that was put in is changed again."""
    if not changes:
        return text
    for old in changes:
        assert old in text, f"the configuration has no {old!r} any more"
    pattern = re.compile("|".join(re.escape(old) for old in sorted(changes, key=len, reverse=True)))
    return pattern.sub(lambda match: changes[match[0]], text)
