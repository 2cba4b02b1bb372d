"""What runs in the demo: each part's command, its settings, and the addresses that show that it works."""

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.demo.errors import DemoError
from deploy.demo.folder import Folder, write_private
from deploy.demo.ports import Ports, has_ipv6_loopback
from deploy.demo.secrets_kept import CLIENT_SECRET, COOKIE_KEY, KeptSecrets

ROOT = Path(__file__).parents[2]

WEB_CLIENT = "doorward-web"
CLI_CLIENT = "doorward-cli"
AUDIENCE = "doorward-api"
# That of some service of yours: what a JWT of the exchange may be made for.
EXAMPLE_AUDIENCE = "example-service"

# Handed on from the person's environment. Everything else stays out: their DATABASE_URL is not the demo's,
# and their HTTP_PROXY does not know this machine's ports.
HANDED_ON = ("PATH", "LANG", "LC_ALL", "TZ")


@dataclass(frozen=True)
class Part:
    """`url` is where it serves, `ready_url` answers 200 once it can do its work."""

    name: str
    command: tuple[str, ...]
    settings: dict[str, str]
    url: str
    ready_url: str


@dataclass(frozen=True)
class Plan:
    """`console` is the folder of the built console."""

    folder: Folder
    ports: Ports
    console: Path

    @property
    def url(self) -> str:
        """`localhost` here and 127.0.0.1 for the provider: two sites to the browser, as in life."""
        return f"http://localhost:{self.ports.public}"

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.ports.provider}"


def provider_part(plan: Plan) -> Part:
    """All others ask it for its metadata when they start."""
    return Part(
        name="provider",
        command=(sys.executable, "-m", "deploy.provider", str(plan.folder.provider_config)),
        settings={},
        url=plan.issuer,
        ready_url=f"{plan.issuer}/.well-known/openid-configuration",
    )


def other_parts(plan: Plan) -> list[Part]:
    """In the order of starting; the last one is what people reach."""
    return [_apiserver(plan), _web_agent(plan), _device_agent(plan), _caddy(plan)]


def write_provider_config(plan: Plan, secrets: KeptSecrets) -> None:
    config = {
        "issuer": plan.issuer,
        "listen": _local(plan.ports.provider),
        "data_file": str(plan.folder.provider_data),
        "audience": AUDIENCE,
        "resources": [],
        "clients": [
            {
                "client_id": WEB_CLIENT,
                "client_secret": secrets.client_secret,
                "redirect_uris": [f"{plan.url}/login/end"],
                "post_logout_redirect_uris": [f"{plan.url}/"],
                "backchannel_logout_uri": f"{plan.url}/backchannel-logout",
                "grant_types": ["authorization_code", "refresh_token"],
            },
            {
                "client_id": CLI_CLIENT,
                "redirect_uris": [],
                "post_logout_redirect_uris": [],
                "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
            },
        ],
        "users": [
            {
                "username": name,
                "password": password,
                "name": name.capitalize(),
                "email": f"{name}@example.com",
            }
            for name, password in secrets.passwords.items()
        ],
    }
    write_private(plan.folder.provider_config, json.dumps(config, indent=2))


def environment_of(part: Part, folder: Folder) -> dict[str, str]:
    """All that the part sees. Its homes are in the demo's folder, so that it writes nowhere else."""
    handed_on = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
    homes = dict.fromkeys(
        ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(folder.home)
    )
    return handed_on | homes | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | part.settings


def _apiserver(plan: Plan) -> Part:
    ports = plan.ports
    return Part(
        name="apiserver",
        command=(sys.executable, "-m", "apiserver"),
        settings={
            "LISTEN": _local(ports.apiserver),
            "PRIVATE_LISTEN": _local(ports.apiserver_private),
            "OIDC_PROVIDER": plan.issuer,
            "OIDC_AUDIENCE": AUDIENCE,
            "PUBLIC_URL": plan.url,
            "TOKEN_AUDIENCES": f"{AUDIENCE},{EXAMPLE_AUDIENCE}",
            "DATABASE_URL": f"sqlite:///{plan.folder.database}",
            "TRUSTED_PROXIES": "127.0.0.1/32",
        },
        url=f"http://{_local(ports.apiserver)}",
        ready_url=f"http://{_local(ports.apiserver_private)}/readyz",
    )


def _web_agent(plan: Plan) -> Part:
    secret_file = plan.folder.secret_file
    return _agent(
        plan,
        name="bff-web",
        listen=plan.ports.web,
        private_listen=plan.ports.web_private,
        settings={
            "OIDC_FLOW": "authorization",
            "OIDC_CLIENT_ID": WEB_CLIENT,
            "OIDC_CLIENT_SECRET_FILE": str(secret_file(CLIENT_SECRET)),
            "COOKIE_KEY_FILE": str(secret_file(COOKIE_KEY)),
            "SESSION_STORE": "memory:",
        },
    )


def _device_agent(plan: Plan) -> Part:
    return _agent(
        plan,
        name="bff-device",
        listen=plan.ports.device,
        private_listen=plan.ports.device_private,
        settings={"OIDC_FLOW": "device", "OIDC_CLIENT_ID": CLI_CLIENT},
    )


def _agent(plan: Plan, *, name: str, listen: int, private_listen: int, settings: dict[str, str]) -> Part:
    common = {
        "LISTEN": _local(listen),
        "PRIVATE_LISTEN": _local(private_listen),
        "PUBLIC_URL": plan.url,
        "OIDC_PROVIDER": plan.issuer,
        "SCOPES": "openid profile email offline_access",
        "BACKEND": f"http://{_local(plan.ports.apiserver)}",
        "TRUSTED_PROXIES": "127.0.0.1/32",
    }
    return Part(
        name=name,
        command=(sys.executable, "-m", "bff"),
        settings=common | settings,
        url=f"http://{_local(listen)}",
        ready_url=f"http://{_local(private_listen)}/readyz",
    )


def _caddy(plan: Plan) -> Part:
    ports = plan.ports
    return Part(
        name="caddy",
        command=(_caddy_binary(), "run", "--config", str(ROOT / "Caddyfile")),
        settings={
            "SITE_ADDRESS": plan.url,
            "OTHER_NAMES": f"http://:{ports.public}",
            # Browsers ask [::1] first for `localhost`: left free, another user of this machine could take it
            # and be sent the session cookie.
            "BIND": "127.0.0.1 [::1]" if has_ipv6_loopback() else "127.0.0.1",
            "BFF_WEB": _local(ports.web),
            "BFF_DEVICE": _local(ports.device),
            "APISERVER": _local(ports.apiserver),
            "CONSOLE": str(plan.console),
            "CADDY_STORAGE": str(plan.folder.certificates),
        },
        url=plan.url,
        ready_url=f"{plan.url}/",
    )


def _caddy_binary() -> str:
    """The one that was installed beside this Python, else the machine's."""
    beside = Path(sys.executable).with_name("caddy")
    found = str(beside) if beside.exists() else shutil.which("caddy")
    if found is None:
        raise DemoError("Caddy is not installed: `make demo` installs it into .venv/.")
    return found


def _local(port: int) -> str:
    return f"127.0.0.1:{port}"
