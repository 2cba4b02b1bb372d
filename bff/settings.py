"""The agent's settings: read from the environment, checked together, secrets apart."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from yarl import URL

from bff.proxy.access_log import AccessLogKind
from bff.proxy.route_checks import Surroundings, upstream_fault
from bff.proxy.route_file import backend_route, load_routes
from bff.proxy.route_table import ProxyRoute, RouteTable
from common.env import KEY_BYTES, Environment, ListenAddress, Network, is_loopback
from common.jwt import BEARER_KINDS, BearerKind
from common.randomness import Randomness
from common.rate_limits import ADDRESS, DEFAULT_RATE_OF_ADDRESS, Rule, read_rate_limit_store, read_rule
from common.redis_url import RedisAddress, RedisAddressError, parse_redis_address
from common.sites import is_same_site

Flow = Literal["authorization", "device", "both"]
ClientAuth = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
AudienceParam = Literal["none", "resource", "audience"]
DataPlane = Literal["protocols", "aiohttp"]

PrivateKey: TypeAlias = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey

DEVICE_MOUNT = "/device"
EC_ALGORITHMS = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_SHORTEST_RSA_KEY_BITS = 2048
_DEFAULT_PUBLIC_URL = "http://localhost:8080"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Settings:
    """What docs/configuration.md describes, variable by variable. Holds no secret."""

    listen: ListenAddress
    private_listen: ListenAddress
    public_url: str
    prefix: str
    provider: str
    backchannel: str | None
    client_id: str
    device_client_id: str
    client_auth: ClientAuth
    flow: Flow
    redirect_url: str
    scopes: tuple[str, ...]
    audience: str | None
    audience_param: AudienceParam
    bearer: BearerKind
    admin_scope: str
    routes: RouteTable
    origins: frozenset[str]
    session_idle: timedelta
    session_lifetime: timedelta
    trusted_proxies: tuple[Network, ...]
    rate_limits: tuple[Rule, ...]
    data_plane: DataPlane
    access_log: AccessLogKind
    insecure_tls: bool
    debug: bool

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach us by https, so that cookies carry `Secure` and the `__Host-` prefix."""
        return self.public_url.startswith("https:")

    @property
    def return_origins(self) -> frozenset[str]:
        """Where a browser may be sent, and where its writes may come from."""
        return self.origins | {self.public_url}

    @property
    def has_web_mode(self) -> bool:
        return self.flow in {"authorization", "both"}

    @property
    def has_device_mode(self) -> bool:
        return self.flow in {"device", "both"}

    @property
    def web_mounts(self) -> tuple[str, ...]:
        """Where the web mode stands: the root (empty), and below the prefix."""
        return self._mounts if self.has_web_mode else ()

    @property
    def device_mounts(self) -> tuple[str, ...]:
        """Where the device mode stands: beside the web mode it has a place of its own."""
        if not self.has_device_mode:
            return ()
        return (DEVICE_MOUNT,) if self.has_web_mode else self._mounts

    @property
    def _mounts(self) -> tuple[str, ...]:
        return ("", self.prefix) if self.prefix else ("",)


@dataclass(frozen=True, repr=False)
class Secrets:
    """The first cookie key seals, all of them open."""

    client_secret: str | None
    client_key: PrivateKey | None
    cookie_keys: tuple[bytes, ...]
    session_store: RedisAddress | None
    """None: sessions are kept in this process."""
    rate_limit_store: RedisAddress | None
    """None: requests are counted in this process."""

    def __repr__(self) -> str:
        return "Secrets(***)"


def read_settings(values: Mapping[str, str], randomness: Randomness) -> tuple[Settings, Secrets]:
    """Raises `SettingsError` with a sentence for everything that is wrong."""
    environment = Environment(values)
    client_secret = environment.secret("OIDC_CLIENT_SECRET")
    settings = _read(environment, has_secret=client_secret is not None)
    settings = replace(settings, routes=_routes(environment, settings))
    client_key = _client_key(environment, settings.client_auth)
    session_store = _session_store(environment)
    rate_limit_store = read_rate_limit_store(environment)
    cookie_keys = _cookie_keys(environment, randomness, is_required=session_store is not None)
    _check_together(environment, settings, has_secret=client_secret is not None)
    if environment.optional("DOMAIN"):
        log.warning("setting_ignored", name="DOMAIN", why="cookies belong to the host alone")
    environment.finish()
    return settings, Secrets(client_secret, client_key, cookie_keys, session_store, rate_limit_store)


def unsafe_settings(settings: Settings) -> list[str]:
    """What starts all the same, and should be seen in the log at each start."""
    found = []
    if not settings.is_secure:
        found.append("PUBLIC_URL is plain http: cookies go without Secure and the __Host- prefix.")
    if settings.insecure_tls:
        found.append("INSECURE_TLS: whoever is between us and the provider can be the provider.")
    return found


def _read(environment: Environment, *, has_secret: bool) -> Settings:
    public_url = environment.origin("PUBLIC_URL", _DEFAULT_PUBLIC_URL)
    prefix = _prefix(environment)
    client_id = environment.text("OIDC_CLIENT_ID")
    auth = environment.choice(
        "OIDC_CLIENT_AUTH",
        ("client_secret_basic", "client_secret_post", "private_key_jwt", "none"),
        "client_secret_basic" if has_secret else "none",
    )
    flow = environment.choice("OIDC_FLOW", ("authorization", "device", "both"), "authorization")
    audience_param = environment.choice("OIDC_AUDIENCE_PARAM", ("none", "resource", "audience"), "none")
    return Settings(
        listen=environment.listen("LISTEN", "127.0.0.1:8081"),
        private_listen=environment.listen("PRIVATE_LISTEN", "127.0.0.1:9081"),
        public_url=public_url,
        prefix=prefix,
        provider=environment.url("OIDC_PROVIDER"),
        backchannel=environment.optional_url("OIDC_BACKCHANNEL"),
        client_id=client_id,
        device_client_id=environment.optional("OIDC_DEVICE_CLIENT_ID") or client_id,
        client_auth=cast("ClientAuth", auth),
        flow=cast("Flow", flow),
        redirect_url=environment.url("REDIRECT_URL", f"{public_url or _DEFAULT_PUBLIC_URL}/login/end"),
        scopes=environment.words("SCOPES", "openid profile email offline_access"),
        audience=environment.optional("OIDC_AUDIENCE"),
        audience_param=cast("AudienceParam", audience_param),
        bearer=cast("BearerKind", environment.choice("BEARER", BEARER_KINDS, "access_token")),
        admin_scope=environment.text("ADMIN_SCOPE", "sessions:admin"),
        routes=RouteTable([]),
        origins=_origins(environment),
        session_idle=environment.duration("SESSION_IDLE", "1h"),
        session_lifetime=environment.duration("SESSION_LIFETIME", "12h"),
        trusted_proxies=environment.networks("TRUSTED_PROXIES"),
        rate_limits=_rate_limits(environment),
        data_plane=cast("DataPlane", environment.choice("DATA_PLANE", get_args(DataPlane), "protocols")),
        access_log=cast(
            "AccessLogKind", environment.choice("ACCESS_LOG", get_args(AccessLogKind), "sampled")
        ),
        insecure_tls=environment.flag("INSECURE_TLS"),
        debug=environment.flag("DEBUG"),
    )


def _rate_limits(environment: Environment) -> tuple[Rule, ...]:
    rule = read_rule(environment, "RATE_LIMIT_ADDRESS", ADDRESS, DEFAULT_RATE_OF_ADDRESS)
    return () if rule is None else (rule,)


def _prefix(environment: Environment) -> str:
    prefix = environment.optional("PREFIX") or ""
    segments = prefix.split("/")[1:]
    if prefix and not (
        prefix.startswith("/") and all(part.isalnum() and part.isascii() for part in segments)
    ):
        environment.fault(f"PREFIX is {prefix!r}: write a path such as /web, without a slash at its end.")
    return prefix


def _routes(environment: Environment, settings: Settings) -> RouteTable:
    path, surroundings = environment.optional("ROUTES"), _surroundings(settings)
    has_backend = environment.optional("BACKEND") is not None
    backend = environment.origin("BACKEND") if has_backend else None
    if path is None:
        return RouteTable(_backend_routes(environment, backend, surroundings), surroundings.own)
    found = load_routes(Path(path), backend, surroundings)
    if has_backend and not found.uses_backend:
        # Whoever set it believes that something goes there.
        environment.fault(
            "BACKEND is set and not used: no route of ROUTES is without an upstream. Take it out."
        )
    environment.faults.extend(found.faults)
    return found.table


def _backend_routes(
    environment: Environment, backend: str | None, surroundings: Surroundings
) -> list[ProxyRoute]:
    if backend is None:
        environment.fault("BACKEND is not set: name the service behind this door, or its routes in ROUTES.")
    if not backend:
        return []
    route = backend_route(backend)
    if (fault := upstream_fault(route.upstreams[0], surroundings)) is not None:
        environment.fault(f"BACKEND {fault}.")
    return [route]


def _surroundings(settings: Settings) -> Surroundings:
    mounts = {*settings.web_mounts, *settings.device_mounts} - {""}
    return Surroundings(
        settings.public_url, tuple(sorted(mounts)), (settings.listen, settings.private_listen)
    )


def _origins(environment: Environment) -> frozenset[str]:
    found = set()
    for word in environment.words("ORIGINS"):
        checked = Environment({"ORIGINS": word})
        found.add(checked.origin("ORIGINS"))
        environment.faults.extend(checked.faults)
    return frozenset(found)


def _session_store(environment: Environment) -> RedisAddress | None:
    text = environment.secret("SESSION_STORE")
    if text is None or text == "memory:":
        return None
    try:
        return parse_redis_address(text)
    except RedisAddressError as error:
        environment.fault(f"SESSION_STORE {error}.")
        return None


def _cookie_keys(environment: Environment, randomness: Randomness, *, is_required: bool) -> tuple[bytes, ...]:
    keys = environment.keys("COOKIE_KEY")
    if keys is None and is_required:
        environment.fault(
            "COOKIE_KEY is not set: nobody could open what SESSION_STORE keeps after a restart, and no other "
            "process. Make one with `openssl rand -base64 32`."
        )
    # Sessions in memory end with this process, so a key that does the same loses nothing.
    return (randomness.token_bytes(KEY_BYTES),) if keys is None else keys


def _client_key(environment: Environment, auth: ClientAuth) -> PrivateKey | None:
    text = environment.secret("OIDC_CLIENT_KEY")
    if text is None and auth == "private_key_jwt":
        environment.fault("OIDC_CLIENT_KEY is not set: OIDC_CLIENT_AUTH=private_key_jwt needs it.")
    if text is not None and auth != "private_key_jwt":
        # Given a key alone, the agent would go to the provider as a public client, without a word.
        environment.fault(
            "OIDC_CLIENT_KEY is set and not used: set OIDC_CLIENT_AUTH=private_key_jwt as well."
        )
    if text is None:
        return None
    key = _usable_key(text)
    if key is None:
        environment.fault(
            "OIDC_CLIENT_KEY must be a private key in PEM without a password: "
            f"RSA of {_SHORTEST_RSA_KEY_BITS} bits or more, EC (P-256, P-384, P-521) or Ed25519. "
            "OIDC_CLIENT_KEY_FILE keeps its line breaks."
        )
    return key


def _usable_key(pem: str) -> PrivateKey | None:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    if isinstance(key, RSAPrivateKey):
        return key if key.key_size >= _SHORTEST_RSA_KEY_BITS else None
    if isinstance(key, EllipticCurvePrivateKey):
        return key if key.curve.name in EC_ALGORITHMS else None
    return key if isinstance(key, Ed25519PrivateKey) else None


def _check_together(environment: Environment, settings: Settings, *, has_secret: bool) -> None:
    _check_addresses(environment, settings)
    _check_origins(environment, settings)
    if settings.client_auth.startswith("client_secret") and not has_secret:
        environment.fault(f"OIDC_CLIENT_SECRET is not set: OIDC_CLIENT_AUTH={settings.client_auth} needs it.")
    if "openid" not in settings.scopes:
        environment.fault("SCOPES must hold openid: without it there is no ID token to sign anyone in.")
    if settings.audience_param != "none" and settings.audience is None:
        environment.fault("OIDC_AUDIENCE is not set: OIDC_AUDIENCE_PARAM says to ask for it.")
    if settings.session_idle > settings.session_lifetime:
        environment.fault("SESSION_IDLE is longer than SESSION_LIFETIME: make it shorter.")


def _check_addresses(environment: Environment, settings: Settings) -> None:
    public, redirect = settings.public_url, settings.redirect_url
    if public and not settings.is_secure and not is_loopback(public):
        environment.fault(f"PUBLIC_URL is {public!r}: use https, plain http is for this machine only.")
    if settings.prefix.split("/")[1:2] in _taken_prefixes(environment, settings):
        environment.fault(f"PREFIX is {settings.prefix!r}: other routes are there, choose another word.")
    if public and redirect and not _is_redirect_of(settings):
        environment.fault("REDIRECT_URL must be PUBLIC_URL, with PREFIX where there is one, and /login/end.")
    if settings.provider.startswith("http:") and not is_loopback(settings.provider):
        environment.fault("OIDC_PROVIDER must be an https address: plain http is for this machine only.")


def _check_origins(environment: Environment, settings: Settings) -> None:
    for origin in sorted(settings.origins):
        if "*" in origin:
            environment.fault("ORIGINS has a wildcard: write each origin out.")
        elif settings.is_secure and origin.startswith("http:"):
            environment.fault("ORIGINS has plain http beside an https PUBLIC_URL: use https for all.")
        elif settings.public_url and origin and not is_same_site(origin, settings.public_url):
            environment.fault(
                f"ORIGINS has {origin!r}, another site than PUBLIC_URL: its pages would never get the cookie."
            )


def _taken_prefixes(environment: Environment, settings: Settings) -> list[list[str]]:
    """First segments below which a route of the root, or of the device mode, would hide ours."""
    # The routes of a file are compared with PREFIX one by one.
    routes = [] if environment.optional("ROUTES") else [["api"]]
    return [["logout"], *routes, *([["device"]] if settings.flow == "both" else [])]


def _is_redirect_of(settings: Settings) -> bool:
    allowed = {f"{settings.public_url}{prefix}/login/end" for prefix in ("", settings.prefix)}
    return str(URL(settings.redirect_url)) in allowed
