"""What the environment says, checked, secrets apart. Every fault is told at once (`SettingsError`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from apiserver.auth.rates import OWNER, TOKEN
from apiserver.storage.location import DatabaseLocation, PostgresAddress, SqliteFile
from apiserver.storage.postgres_url import SCHEME, PostgresAddressError, parse_postgres_address
from common.env import Environment, ListenAddress, Network, as_origin, is_loopback
from common.jwt import BEARER_KINDS, BearerKind
from common.rate_limits import ADDRESS, DEFAULT_RATE_OF_ADDRESS, Rule, read_rate_limit_store, read_rule
from common.redis_url import RedisAddress

_SQLITE = "sqlite:///"
_FORMS = (
    "write sqlite:///relative/path, sqlite:////absolute/path or postgresql://user:password@host:port/name."
)


@dataclass(frozen=True)
class Settings:
    """What docs/configuration.md describes. `database` may hold a password, and never shows it."""

    listen: ListenAddress
    private_listen: ListenAddress
    provider: str
    backchannel: str | None
    audience: str
    token_audiences: tuple[str, ...]
    public_url: str
    bearer: BearerKind
    database: DatabaseLocation
    trusted_proxies: tuple[Network, ...]
    rate_limits: tuple[Rule, ...]
    insecure_tls: bool
    debug: bool


@dataclass(frozen=True, repr=False)
class Secrets:
    """`server_keys`: the first is used, all of them verify and open. None: the one beside the SQLite file.

    `rate_limit_store` None: requests are counted in this process.
    """

    server_keys: tuple[bytes, ...] | None
    rate_limit_store: RedisAddress | None

    def __repr__(self) -> str:
        return "Secrets(***)"


def read_settings(values: Mapping[str, str]) -> tuple[Settings, Secrets]:
    """Raises `SettingsError` with all faults."""
    environment = Environment(values)
    listen, audience = environment.listen("LISTEN", "127.0.0.1:8082"), environment.text("OIDC_AUDIENCE")
    settings = Settings(
        listen=listen,
        private_listen=environment.listen("PRIVATE_LISTEN", "127.0.0.1:9082"),
        provider=_provider(environment),
        backchannel=environment.optional_url("OIDC_BACKCHANNEL"),
        audience=audience,
        token_audiences=_token_audiences(environment, audience),
        public_url=environment.origin("PUBLIC_URL", _origin_of(listen)),
        bearer=cast("BearerKind", environment.choice("BEARER", BEARER_KINDS, "access_token")),
        database=_database(environment),
        trusted_proxies=environment.networks("TRUSTED_PROXIES"),
        rate_limits=_rate_limits(environment),
        insecure_tls=environment.flag("INSECURE_TLS"),
        debug=environment.flag("DEBUG"),
    )
    if settings.public_url and settings.public_url == as_origin(settings.provider):
        # Whose keys verify a JWT is told by its issuer: under one name, either could speak for the other.
        environment.fault("PUBLIC_URL is OIDC_PROVIDER: JWTs of both would have the same issuer.")
    secrets = Secrets(_server_keys(environment, settings.database), read_rate_limit_store(environment))
    environment.finish()
    return settings, secrets


def read_database(values: Mapping[str, str]) -> DatabaseLocation:
    """The database alone, for commands that need no more. Raises `SettingsError`."""
    environment = Environment(values)
    location = _database(environment)
    environment.finish()
    return location


def _rate_limits(environment: Environment) -> tuple[Rule, ...]:
    rules = (
        read_rule(environment, "RATE_LIMIT_ADDRESS", ADDRESS, DEFAULT_RATE_OF_ADDRESS),
        read_rule(environment, "RATE_LIMIT_TOKEN", TOKEN, "60000/minute"),
        read_rule(environment, "RATE_LIMIT_OWNER", OWNER, "120000/minute"),
    )
    return tuple(rule for rule in rules if rule is not None)


def _provider(environment: Environment) -> str:
    provider = environment.url("OIDC_PROVIDER")
    if provider.startswith("http:") and not is_loopback(provider):
        # Whoever sits between could answer with keys of their own, and sign in as anyone.
        environment.fault(
            f"OIDC_PROVIDER is {provider!r}: plain http is taken from this machine only, use https."
        )
    return provider


def _origin_of(listen: ListenAddress) -> str:
    host = f"[{listen.host}]" if ":" in listen.host else listen.host
    return f"http://{host}:{listen.port}"


def _token_audiences(environment: Environment, audience: str) -> tuple[str, ...]:
    audiences = environment.words("TOKEN_AUDIENCES") or (audience,)
    if len(set(audiences)) < len(audiences):
        environment.fault("TOKEN_AUDIENCES names an audience twice.")
    if not all(name.isascii() and name.isprintable() for name in audiences):
        environment.fault("TOKEN_AUDIENCES may have visible ASCII characters only: they stand in headers.")
    return audiences


def _database(environment: Environment) -> DatabaseLocation:
    url = environment.secret("DATABASE_URL")
    if url is None:
        environment.fault(f"DATABASE_URL is not set: {_FORMS}")
        return SqliteFile(Path())
    if url.startswith(SCHEME):
        return _postgresql(environment, url)
    path = url.removeprefix(_SQLITE)
    if path in {url, "", ":memory:"} or "?" in path:
        # The value is not repeated: that of another engine holds a password.
        environment.fault(f"DATABASE_URL names no database that can be used: {_FORMS}")
    return SqliteFile(Path(path))


def _postgresql(environment: Environment, url: str) -> PostgresAddress:
    try:
        return parse_postgres_address(url)
    except PostgresAddressError as error:
        environment.fault(f"DATABASE_URL {error}.")
        return PostgresAddress(SCHEME)


def _server_keys(environment: Environment, database: DatabaseLocation) -> tuple[bytes, ...] | None:
    keys = environment.keys("SERVER_KEY")
    if keys is None and isinstance(database, PostgresAddress):
        environment.fault(
            "SERVER_KEY is not set: all servers on one PostgreSQL database need the same. "
            "Make one with `openssl rand -base64 32`."
        )
    return keys
