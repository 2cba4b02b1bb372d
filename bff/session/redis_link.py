"""The connection to Redis, whatever its shape: one server, the primary that Sentinels name, or a cluster.

The client library repeats nothing on its own (what it knows as retries is off): a command whose answer is
lost may have happened, and only the caller knows whether doing it twice is harmless. Redirections within a
cluster are followed, since a redirected command has not happened.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeAlias, TypedDict, cast

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.client import PubSub
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import AskError, SlotNotCoveredError, TryAgainError

from common.redis_url import RedisAddress

Reply: TypeAlias = "int | bytes | list[Reply] | None"
Answer: TypeAlias = "Reply | Exception"
"""A reply, or what the server refused with."""
Command: TypeAlias = "tuple[str | bytes | int, ...]"

MOST_CONNECTIONS = 64
_TIMEOUT_S = 1.0
# Shorter, since one dead Sentinel of three must not use up the time of the request.
_SENTINEL_TIMEOUT_S = 0.4
# A replica that was silent for longer confirms nothing: waiting for it would only slow down each login.
_LONGEST_LAG_S = 5
_PRIMARY = "primary"


class Link(Protocol):
    """What the store needs of a client. Every method may raise one of `REDIS_FAULTS`."""

    def node_of(self, key: str, /) -> str:
        """The name of the server that is asked about this key."""
        ...

    async def execute(self, command: Command) -> Reply: ...

    async def execute_together(self, key: str, /, commands: Sequence[Command]) -> list[Answer]:
        """One after the other on one connection to the server of `key`; a refusal stands in its place."""
        ...

    async def read(self, groups: Sequence[Sequence[str]]) -> list[list[bytes | None]]:
        """The values under groups of keys; the keys of one group lie on one server."""
        ...

    async def listener(self) -> PubSub: ...

    async def replicas(self) -> Mapping[str, int]:
        """How many replicas of each primary would confirm a write. Asks every primary."""
        ...

    async def aclose(self) -> None: ...


def open_link(address: RedisAddress) -> Link:
    """Connects when it is first used."""
    if address.kind == "cluster":
        return ClusterLink(address)
    return PrimaryLink(address)


class _Options(TypedDict, total=False):
    """What all clients are opened with. RESP2: no push messages between the answers."""

    username: str | None
    password: str | None
    socket_timeout: float
    socket_connect_timeout: float
    retry: Retry
    max_connections: int
    protocol: int
    driver_info: None
    ssl: bool
    ssl_ca_certs: str | None


def _options(address: RedisAddress) -> _Options:
    options = _Options(
        username=address.username,
        password=address.password,
        socket_timeout=_TIMEOUT_S,
        socket_connect_timeout=_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        max_connections=MOST_CONNECTIONS,
        protocol=2,
        driver_info=None,
    )
    if address.is_tls:
        options |= _Options(ssl=True, ssl_ca_certs=address.ca_file)
    return options


class PrimaryLink:
    """One server, or the one that Sentinels name: they are asked again for each new connection."""

    def __init__(self, address: RedisAddress) -> None:
        options = _options(address)
        self._sentinel: Sentinel | None = None
        if address.kind == "sentinel":
            sentinel_options = options | _Options(
                username=None,
                password=address.sentinel_password,
                socket_timeout=_SENTINEL_TIMEOUT_S,
                socket_connect_timeout=_SENTINEL_TIMEOUT_S,
            )
            self._sentinel = Sentinel(  # type: ignore[no-untyped-call]
                address.hosts, sentinel_kwargs=sentinel_options
            )
            self._client: Redis = self._sentinel.master_for(address.service, db=address.database, **options)
        else:
            [(host, port)] = address.hosts
            self._client = Redis(host=host, port=port, db=address.database, **options)

    def node_of(self, _key: str, /) -> str:
        return _PRIMARY

    async def execute(self, command: Command) -> Reply:
        return cast("Reply", await self._client.execute_command(*command))  # type: ignore[no-untyped-call]

    async def execute_together(self, _key: str, /, commands: Sequence[Command]) -> list[Answer]:
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        return cast("list[Answer]", await pipeline.execute(raise_on_error=False))

    async def read(self, groups: Sequence[Sequence[str]]) -> list[list[bytes | None]]:
        keys = [key for group in groups for key in group]
        values = iter(cast("list[bytes | None]", await self.execute(("MGET", *keys))))
        return [[next(values) for _ in group] for group in groups]

    async def listener(self) -> PubSub:
        return self._client.pubsub()

    async def replicas(self) -> Mapping[str, int]:
        await self._follow_sentinels()
        return {_PRIMARY: _confirming(await self._client.info("replication"))}

    async def aclose(self) -> None:
        await self._client.aclose()
        if self._sentinel is not None:
            await self._sentinel.aclose()

    async def _follow_sentinels(self) -> None:
        """Leave a former primary that lives on: without this, open connections would stay with it."""
        pool = self._client.connection_pool
        if not isinstance(pool, SentinelConnectionPool):
            return
        former = pool.master_address
        with suppress(MasterNotFoundError):  # what is open goes on, also while no Sentinel can be asked
            address = await pool.get_master_address()  # type: ignore[no-untyped-call]
            if address != former:
                await pool.update_active_connections_for_reconnect()  # type: ignore[no-untyped-call]


class ClusterLink:
    def __init__(self, address: RedisAddress) -> None:
        options = _options(address)
        nodes = [ClusterNode(host, port) for host, port in address.hosts]
        # Each redirection corrects the map of slots. Reading the whole map anew at every fifth of them, as is
        # the default, closes the connections on which others wait.
        self._client = RedisCluster(startup_nodes=nodes, reinitialize_steps=0, **options)

    def node_of(self, key: str, /) -> str:
        try:
            node = self._client.get_node_from_key(key)
        except SlotNotCoveredError:
            node = None  # the map of slots was not read yet
        return "unknown" if node is None else node.name

    async def execute(self, command: Command) -> Reply:
        return cast("Reply", await self._client.execute_command(*command))

    async def execute_together(self, key: str, /, commands: Sequence[Command]) -> list[Answer]:
        await self._client.initialize()
        node = self._client.get_node_from_key(key)
        pipeline = self._client.pipeline()
        for command in commands:
            pipeline.execute_command(*command, target_nodes=node)
        # Not redirected one by one: that would tear apart what has to stay on one connection.
        return cast(
            "list[Answer]",
            await pipeline.execute(raise_on_error=False, allow_redirections=False),
        )

    async def read(self, groups: Sequence[Sequence[str]]) -> list[list[bytes | None]]:
        if len(groups) == 1:
            return [cast("list[bytes | None]", await self.execute(("MGET", *groups[0])))]
        pipeline = self._client.pipeline()
        for keys in groups:
            pipeline.execute_command("MGET", *keys)
        replies = await pipeline.execute(raise_on_error=False)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return cast("list[list[bytes | None]]", replies)

    async def listener(self) -> PubSub:
        await self._client.initialize()
        return self._client.pubsub()

    async def replicas(self) -> Mapping[str, int]:
        answers = await self._client.execute_command(
            "INFO", "replication", target_nodes=RedisCluster.PRIMARIES
        )
        return {node: _confirming(answer) for node, answer in answers.items()}

    async def aclose(self) -> None:
        await self._client.aclose()


def is_redirection(reply: Answer) -> bool:
    """The command has not happened: its keys are elsewhere or on their way."""
    return isinstance(reply, (AskError, TryAgainError))


def refusal_in(replies: Sequence[Answer]) -> Exception | None:
    return next((reply for reply in replies if isinstance(reply, Exception)), None)


def _confirming(info: Mapping[str, Any]) -> int:
    """The replicas that are up to date, of what `INFO replication` says."""
    replicas = [value for name, value in info.items() if name.startswith("slave") and isinstance(value, dict)]
    return sum(
        replica.get("state") == "online" and replica.get("lag", _LONGEST_LAG_S) < _LONGEST_LAG_S
        for replica in replicas
    )
