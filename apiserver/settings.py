"""What the environment says, checked. Every fault is told at once (`SettingsError`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from common.env import Environment, ListenAddress, Network, is_loopback
from common.jwt import BEARER_KINDS, BearerKind

_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Settings:
    """The apiserver holds no secret yet; when it does, they get an object of their own."""

    listen: ListenAddress
    private_listen: ListenAddress
    provider: str
    backchannel: str | None
    audience: str
    bearer: BearerKind
    database: Path
    trusted_proxies: tuple[Network, ...]
    insecure_tls: bool
    debug: bool


def read_settings(values: Mapping[str, str]) -> Settings:
    """Raises `SettingsError` with all faults."""
    environment = Environment(values)
    settings = Settings(
        listen=environment.listen("LISTEN", "127.0.0.1:8082"),
        private_listen=environment.listen("PRIVATE_LISTEN", "127.0.0.1:9082"),
        provider=_provider(environment),
        backchannel=environment.optional_url("OIDC_BACKCHANNEL"),
        audience=environment.text("OIDC_AUDIENCE"),
        bearer=cast("BearerKind", environment.choice("BEARER", BEARER_KINDS, "access_token")),
        database=_database(environment),
        trusted_proxies=environment.networks("TRUSTED_PROXIES"),
        insecure_tls=environment.flag("INSECURE_TLS"),
        debug=environment.flag("DEBUG"),
    )
    environment.finish()
    return settings


def _provider(environment: Environment) -> str:
    provider = environment.url("OIDC_PROVIDER")
    if provider.startswith("http:") and not is_loopback(provider):
        # Whoever sits between could answer with keys of their own, and sign in as anyone.
        environment.fault(
            f"OIDC_PROVIDER is {provider!r}: plain http is taken from this machine only, use https."
        )
    return provider


def _database(environment: Environment) -> Path:
    url = environment.text("DATABASE_URL")
    path = url.removeprefix(_SQLITE)
    if url and (path in {url, "", ":memory:"} or "?" in path):
        # The value is not repeated: that of another engine holds a password.
        environment.fault(
            "DATABASE_URL names no SQLite file: write sqlite:///relative/path or sqlite:////absolute/path."
        )
    return Path(path)
