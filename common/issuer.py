"""One OpenID provider: its metadata and its signing keys.

One fetch is in flight at a time and all who wait share it. A failed fetch leaves what was known in place.
A key id that is not known causes one fetch per cool-down, so that made-up tokens cannot be used to flood
the provider. `keep_fresh` runs in the background: a provider that was away at the start is found by it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Generic, TypeAlias, TypeVar

import httpx
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from yarl import URL

from common.clock import Clock
from common.http import ExchangeError, Json, get_object
from common.metadata import ProviderMetadata, parse_metadata
from common.tasks import Tasks

UNKNOWN_KEY_COOL_DOWN = timedelta(seconds=60)
FAILURE_COOL_DOWN = timedelta(seconds=1)
REFRESH_INTERVAL = timedelta(minutes=10)

_MOST_KEYS = 100
_SHORTEST_RSA_KEY_BITS = 2048
_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}

T = TypeVar("T")

SigningKeys: TypeAlias = tuple[jwt.PyJWK, ...]

log = structlog.get_logger(__name__)


class IssuerUnavailableError(Exception):
    """The provider cannot be asked, and what is needed was never fetched. `cause` is a word for the log."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class UnknownKeyError(Exception):
    """The provider publishes no key with this id for this algorithm."""


class Issuer:
    """The provider at `url`; `backchannel` is where the servers reach it, if that is elsewhere."""

    def __init__(
        self, url: str, *, backchannel: str | None, client: httpx.AsyncClient, clock: Clock, tasks: Tasks
    ) -> None:
        self.url = url
        self._backchannel = backchannel
        self._client = client
        self._clock = clock
        self._metadata = _Fetched("metadata", self._fetch_metadata, clock, tasks)
        self._keys = _Fetched("keys", self._fetch_keys, clock, tasks)
        self._published: tuple[Json, SigningKeys] | None = None
        self._looked_for_unknown_key_at: float | None = None

    async def metadata(self) -> ProviderMetadata:
        """Raises `IssuerUnavailableError` when it was never fetched and cannot be now."""
        return await self._metadata.value()

    async def signing_key(self, key_id: str | None, algorithm: str) -> jwt.PyJWK:
        """The key that a JWT header names; raises `UnknownKeyError` and `IssuerUnavailableError`."""
        key = _find_key(await self._keys.value(), key_id, algorithm)
        # Whoever comes while a fetch is under way shares it: after a rotation, many come at once.
        if key is None and (self._keys.is_being_fetched() or self._may_look_for_unknown_key()):
            await self._keys.fetch()
            key = _find_key(await self._keys.value(), key_id, algorithm)
        if key is None and self._keys.failure is not None:
            # Nobody can say whether the key exists: a good token must not be refused for that.
            raise IssuerUnavailableError(self._keys.failure)
        if key is None:
            raise UnknownKeyError
        return key

    def known_keys(self) -> SigningKeys | None:
        """All keys as they were last fetched: the same object until the provider publishes others."""
        return self._keys.known

    def inside(self, endpoint: str) -> str:
        """The address at which a server reaches an endpoint: below the back channel, where there is one."""
        # As text, in which a default port that is spelled out makes no difference.
        if self._backchannel is None or str(URL(endpoint).origin()) != str(URL(self.url).origin()):
            return endpoint
        published, inner = self.url.rstrip("/"), self._backchannel.rstrip("/")
        if endpoint.startswith(published + "/"):
            return inner + endpoint.removeprefix(published)
        return str(URL(inner).origin()) + URL(endpoint).raw_path_qs

    def fault(self) -> str | None:
        """What stands in the way, as a sentence for `/readyz`; None when metadata and keys are there."""
        cause = self._metadata.missing_because() or self._keys.missing_because()
        return None if cause is None else f"The provider {self.url} cannot be used yet ({cause})."

    async def keep_fresh(self) -> None:
        """Fetch both again, then sleep: for `Tasks.keep_running`. Raises when the provider is away."""
        failed = [fetched for fetched in (self._metadata, self._keys) if not await fetched.fetch()]
        if failed:
            raise IssuerUnavailableError(failed[0].failure or "unknown")
        await asyncio.sleep(REFRESH_INTERVAL.total_seconds())

    def _may_look_for_unknown_key(self) -> bool:
        now, last = self._clock.monotonic(), self._looked_for_unknown_key_at
        # A look that failed is repeated sooner, but not by every made-up token.
        pause = UNKNOWN_KEY_COOL_DOWN if self._keys.failure is None else FAILURE_COOL_DOWN
        if last is not None and now - last < pause.total_seconds():
            return False
        self._looked_for_unknown_key_at = now
        return True

    async def _fetch_metadata(self) -> ProviderMetadata:
        base = (self._backchannel or self.url).rstrip("/")
        document = await get_object(self._client, base + "/.well-known/openid-configuration")
        return parse_metadata(document, self.url)

    async def _fetch_keys(self) -> SigningKeys:
        metadata = await self._metadata.value()
        document = await get_object(self._client, self.inside(metadata.jwks_uri))
        entries = document.get("keys")
        if self._published is None or self._published[0] != entries:
            self._published = (entries, parse_keys(document))
        return self._published[1]


class _Fetched(Generic[T]):
    """A value from the provider: fetched by one task at a time, kept when a later fetch fails."""

    def __init__(self, name: str, fetch: Callable[[], Awaitable[T]], clock: Clock, tasks: Tasks) -> None:
        self._name = name
        self._fetch_value = fetch
        self._clock = clock
        self._tasks = tasks
        self._value: T | None = None
        self._running: asyncio.Task[bool] | None = None
        self._tried_at: float | None = None
        self.failure: str | None = None

    @property
    def known(self) -> T | None:
        return self._value

    async def value(self) -> T:
        if self._value is None and self._may_try():
            await self.fetch()
        if self._value is None:
            raise IssuerUnavailableError(self.failure or "not_fetched")
        return self._value

    async def fetch(self) -> bool:
        """Fetch now, or share the fetch that is under way; says whether it succeeded."""
        if self._running is None or not self.is_being_fetched():
            self._running = self._tasks.start(f"fetch_{self._name}", self._fetch())
        # The shield: one caller that is cancelled must not fail all who share the fetch.
        return await asyncio.shield(self._running)

    def is_being_fetched(self) -> bool:
        return self._running is not None and not self._running.done()

    def missing_because(self) -> str | None:
        return None if self._value is not None else self.failure or "not fetched yet"

    def _may_try(self) -> bool:
        # Without the pause, every request would wait for a provider that is away.
        if self.is_being_fetched() or self._tried_at is None:
            return True
        return self._clock.monotonic() - self._tried_at >= FAILURE_COOL_DOWN.total_seconds()

    async def _fetch(self) -> bool:
        self._tried_at = self._clock.monotonic()
        try:
            self._value = await self._fetch_value()
        except (ExchangeError, IssuerUnavailableError) as error:
            if self.failure != error.cause:
                log.warning("provider_unavailable", what=self._name, cause=error.cause)
            self.failure = error.cause
            return False
        if self.failure is not None:
            log.info("provider_recovered", what=self._name)
        self.failure = None
        return True


def parse_keys(document: Mapping[str, Json]) -> SigningKeys:
    """The usable public keys of a JWKS (RFC 7517 section 5); entries that we cannot use are left out."""
    entries = document.get("keys")
    if not isinstance(entries, list) or len(entries) > _MOST_KEYS:
        raise ExchangeError("bad_jwks")
    keys = tuple(key for entry in entries if (key := _usable_key(entry)) is not None)
    if not keys:
        raise ExchangeError("no_usable_keys")
    return keys


def _usable_key(entry: Json) -> jwt.PyJWK | None:
    # Symmetric keys ("oct") have no place in a public set: taking one would let anyone sign with it.
    if not isinstance(entry, dict) or entry.get("kty") not in _KEY_TYPES.values():
        return None
    if entry.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK.from_dict(entry)
    except (jwt.PyJWTError, NotImplementedError, ValueError, TypeError):
        return None  # NotImplementedError: for the algorithm "none"
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < _SHORTEST_RSA_KEY_BITS:
        return None
    return key


def _find_key(keys: SigningKeys, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
    fitting = [key for key in keys if _fits(key, algorithm)]
    if key_id is None:
        # OpenID Connect Core 10.1: the id may be left out only where there is no choice.
        return fitting[0] if len(fitting) == 1 else None
    return next((key for key in fitting if key.key_id == key_id), None)


def _fits(key: jwt.PyJWK, algorithm: str) -> bool:
    if key.key_type == "RSA":
        return _KEY_TYPES.get(algorithm[:2]) == "RSA"
    return key.algorithm_name == algorithm
