"""Apache with mod_auth_openidc, behind real logins at the development provider."""

import html
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import aiohttp
from yarl import URL

from bench.peers.base import BEARER_BYTES, Extra, Ground, Running
from bench.processes import BenchError, Program, free_port, python_program, start
from bench.tools import SETUP_HINT, debian_file, debian_program, first_line, library_settings
from bench.traffic import ITEM_PATH
from deploy.provider import paths

# Its default cache holds five hundred entries in shared memory and is searched from its beginning: fewer
# sessions than the others have are to its advantage.
SESSIONS = 20

_MODULES = "usr/lib/apache2/modules"
_LOADED = (
    "mpm_event",
    "authn_core",
    "authz_core",
    "authz_user",
    "env",
    "headers",
    "proxy",
    "proxy_http",
    "auth_openidc",
)
_CONFIG = """ServerRoot "{folder}"
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile "{folder}/apache.pid"
DefaultRuntimeDir "{folder}"
ErrorLog /dev/stderr
LogLevel error
{modules}
User nobody
Group nogroup

StartServers 1
ServerLimit 2
ThreadLimit 256
ThreadsPerChild 256
MaxRequestWorkers 256
MinSpareThreads 1
MaxSpareThreads 256
KeepAlive On
KeepAliveTimeout 120
MaxKeepAliveRequests 0

OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {client_id}
OIDCClientSecret {client_secret}
OIDCRedirectURI {url}{callback}
OIDCCryptoPassphrase {passphrase}
OIDCScope "openid profile"
OIDCPKCEMethod S256
OIDCPassClaimsAs environment
OIDCSessionInactivityTimeout 7200
OIDCStripCookies mod_auth_openidc_session

ProxyPass {callback} !
ProxyPass / http://{upstream}/ keepalive=On ttl=120

<Location />
    AuthType openid-connect
    Require valid-user
    RequestHeader set Authorization "Bearer %{{OIDC_access_token}}e"
</Location>
"""
_CALLBACK = "/oidc/callback"
_COOKIE = "mod_auth_openidc_session"
_CLIENT, _CLIENT_SECRET = "bench", "the-secret-of-the-bench"
_USER, _PASSWORD = "alice", "the-password-of-alice"
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


@dataclass(frozen=True)
class Apache:
    key: str = "apache"
    label: str = "Apache mod_auth_openidc, real logins"
    passes_bearer: bool = True
    # Not idle ones: its threads are far fewer than ten thousand.
    extras: frozenset[Extra] = frozenset({"paced"})

    def is_available(self) -> str | None:
        if debian_program("apache2") and debian_file(f"{_MODULES}/mod_auth_openidc.so"):
            return None
        return f"no Apache with mod_auth_openidc on this machine ({SETUP_HINT})"

    def version(self) -> str:
        said = first_line([debian_program("apache2") or "", "-v"])
        return said.replace("Server version: Apache/", "Apache ")

    @asynccontextmanager
    async def run(self, ground: Ground) -> AsyncIterator[Running]:
        provider, port = free_port(), free_port()
        # The module holds its sessions to the host name of the login: the load says localhost.
        url = f"http://localhost:{port}"
        async with AsyncExitStack() as stack:
            config = _provider_config(ground.folder, provider, url)
            program = python_program("provider", "deploy.provider", provider, str(config))
            await start(stack, program, ground.cores.load, ground.folder)
            pid = await start(stack, _program(ground, port, provider), ground.cores.server, ground.folder)
            cookies = [await _log_in(url, provider) for _ in range(SESSIONS)]
            yield Running(port, {self.key: pid}, cookies)


def _program(ground: Ground, port: int, provider: int) -> Program:
    text = _CONFIG.format(
        folder=ground.folder,
        port=port,
        modules="\n".join(_load_line(name) for name in _LOADED),
        issuer=f"http://127.0.0.1:{provider}",
        client_id=_CLIENT,
        client_secret=_CLIENT_SECRET,
        url=f"http://localhost:{port}",
        callback=_CALLBACK,
        passphrase=_CLIENT_SECRET,
        upstream=ground.upstream,
    )
    config = ground.folder / "apache.conf"
    config.write_text(text)
    command = [debian_program("apache2") or "", "-D", "FOREGROUND", "-f", config]
    return Program("apache", command, port, library_settings())


def _load_line(name: str) -> str:
    return f'LoadModule {name}_module "{debian_file(f"{_MODULES}/mod_{name}.so")}"'


def _provider_config(folder: Path, port: int, url: str) -> Path:
    client = {
        "client_id": _CLIENT,
        "client_secret": _CLIENT_SECRET,
        "redirect_uris": [f"{url}{_CALLBACK}"],
        "post_logout_redirect_uris": [f"{url}/"],
        "grant_types": ["authorization_code"],
    }
    config = {
        "issuer": f"http://127.0.0.1:{port}",
        "listen": f"127.0.0.1:{port}",
        # A long name makes the access token as long as the others' bearer.
        "audience": "bench-".ljust(BEARER_BYTES // 3, "x"),
        "resources": [],
        "clients": [client],
        "users": [{"username": _USER, "password": _PASSWORD, "name": "Alice", "email": "alice@example.com"}],
    }
    path = folder / "provider.json"
    path.write_text(json.dumps(config))
    return path


async def _log_in(url: str, provider: int) -> str:
    """As a browser does it: to the provider, through its form, and back. Raises BenchError."""
    wanted, issuer = f"{url}{ITEM_PATH.decode()}0000", f"http://127.0.0.1:{provider}"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.get(wanted) as page:
            form = {name: html.unescape(value) for name, value in _HIDDEN.findall(await page.text())}
        fields = {**form, "username": _USER, "password": _PASSWORD}
        async with browser.post(f"{issuer}{paths.LOGIN}", data=fields, headers={"Origin": issuer}) as answer:
            if answer.status != HTTPStatus.OK or str(answer.url) != wanted:
                raise BenchError(f"The login at Apache ended with {answer.status} at {answer.url.path}.")
        return f"{_COOKIE}={browser.cookie_jar.filter_cookies(URL(url))[_COOKIE].value}"
