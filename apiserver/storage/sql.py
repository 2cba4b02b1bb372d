"""The storage over either engine: one set of statements, in one file for each entity."""

from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from sqlalchemy import literal_column, select

from apiserver.errors import StorageUnavailableError
from apiserver.storage.addresses import SqlAddressPools
from apiserver.storage.audit import SqlAudit
from apiserver.storage.contracts import OvertakenError, Storage, Transaction
from apiserver.storage.device_sets import SqlDeviceSets
from apiserver.storage.devices import SqlDevices
from apiserver.storage.engine import Connection, Engine, EngineWork
from apiserver.storage.idempotency import SqlIdempotencyKeys
from apiserver.storage.invitations import SqlInvitations
from apiserver.storage.leftovers import SqlLeftovers
from apiserver.storage.location import DatabaseLocation, SqliteFile
from apiserver.storage.migrate import migrate_postgresql, migrate_sqlite
from apiserver.storage.postgresql import open_postgresql
from apiserver.storage.registration_tokens import SqlRegistrationTokens
from apiserver.storage.service_tokens import SqlServiceTokens
from apiserver.storage.signing_keys import SqlSigningKeys
from apiserver.storage.sqlite import LOCK_WAIT, open_sqlite, prepare_file
from apiserver.storage.statement import statement
from apiserver.storage.tenants import SqlTenants
from apiserver.storage.users import SqlUsers

_PING = statement(select(literal_column("1").label("alive")))
# Each time somebody else went on, so this many in a row is no bad luck but a flood.
_TRIES = 20

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SqlTransaction:
    """`contracts.Transaction`."""

    connection: Connection
    is_view: bool

    @property
    def users(self) -> SqlUsers:
        return SqlUsers(self.connection)

    @property
    def tenants(self) -> SqlTenants:
        return SqlTenants(self.connection, is_view=self.is_view)

    @property
    def invitations(self) -> SqlInvitations:
        return SqlInvitations(self.connection)

    @property
    def registration_tokens(self) -> SqlRegistrationTokens:
        return SqlRegistrationTokens(self.connection)

    @property
    def service_tokens(self) -> SqlServiceTokens:
        return SqlServiceTokens(self.connection)

    @property
    def devices(self) -> SqlDevices:
        return SqlDevices(self.connection)

    @property
    def device_sets(self) -> SqlDeviceSets:
        return SqlDeviceSets(self.connection)

    @property
    def addresses(self) -> SqlAddressPools:
        return SqlAddressPools(self.connection)

    @property
    def audit(self) -> SqlAudit:
        return SqlAudit(self.connection)

    @property
    def idempotency_keys(self) -> SqlIdempotencyKeys:
        return SqlIdempotencyKeys(self.connection)

    @property
    def signing_keys(self) -> SqlSigningKeys:
        return SqlSigningKeys(self.connection)

    @property
    def leftovers(self) -> SqlLeftovers:
        return SqlLeftovers(self.connection)


@dataclass(frozen=True)
class SqlStorage:
    """`contracts.Storage`."""

    engine: Engine

    async def write(self, work: Callable[[Transaction], Coroutine[Any, Any, T]]) -> T:
        return await _until_it_stands(self.engine.write, work, is_view=False)

    async def read(self, work: Callable[[Transaction], Coroutine[Any, Any, T]]) -> T:
        return await _until_it_stands(self.engine.read, work, is_view=True)

    async def ping(self) -> None:
        async def look(connection: Connection) -> None:
            await connection.rows(_PING, {})

        await self.engine.read(look)


async def _until_it_stands(
    run: Callable[[EngineWork[T]], Coroutine[Any, Any, T]],
    work: Callable[[Transaction], Coroutine[Any, Any, T]],
    *,
    is_view: bool,
) -> T:
    for _ in range(_TRIES):
        try:
            return await run(_over_connections(work, is_view=is_view))
        except OvertakenError:
            log.info("transaction_overtaken")
    raise StorageUnavailableError("overtaken")


def _over_connections(
    work: Callable[[Transaction], Coroutine[Any, Any, T]], *, is_view: bool
) -> EngineWork[T]:
    return lambda connection: work(SqlTransaction(connection, is_view))


async def open_storage(
    stack: AsyncExitStack, location: DatabaseLocation, *, lock_wait: timedelta = LOCK_WAIT
) -> Storage:
    """The storage at `location`, brought up to date; closed by the stack.

    Raises `SettingsError` when it cannot be used or is newer than this program.
    """
    if isinstance(location, SqliteFile):
        prepare_file(location.path, lock_wait)
        migrate_sqlite(location.path, lock_wait)
        return SqlStorage(await open_sqlite(stack, location.path, lock_wait=lock_wait))
    await migrate_postgresql(location)
    return SqlStorage(await open_postgresql(stack, location, lock_wait=lock_wait))
