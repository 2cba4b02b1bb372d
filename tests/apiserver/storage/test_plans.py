"""How SQLite finds devices: by an index. A look at all of a tenant's would hold up everybody else."""

import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from apiserver.devices.device import DeviceState
from apiserver.storage.devices import SqlDevices
from apiserver.storage.location import SqliteFile
from apiserver.storage.records import DevicePage
from apiserver.storage.sql import open_storage
from apiserver.storage.statement import Row, Statement
from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.registration_token import RegistrationTokenId

TENANT = TenantId("ten_a")


@dataclass(frozen=True)
class Explaining:
    """A connection that only asks how a statement would be run."""

    raw: sqlite3.Connection
    plans: list[str] = field(default_factory=list)

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        compiled = statement.for_sqlite
        steps = self.raw.execute(f"EXPLAIN QUERY PLAN {compiled.sql}", compiled.arguments(values))
        self.plans.append(" | ".join(step for *_, step in steps))
        return []


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[Explaining]:
    path = tmp_path / "doorward.db"
    async with AsyncExitStack() as stack:
        await open_storage(stack, SqliteFile(path))
    with closing(sqlite3.connect(path)) as raw:
        yield Explaining(raw)


async def plan_of_page(connection: Explaining, **fields: Any) -> str:
    page = DevicePage(**{"tenant_id": TENANT, "limit": 50, "by_name": False, "is_descending": True, **fields})
    await SqlDevices(connection).page(page)
    return connection.plans[-1]


async def test_the_holder_of_a_name_is_found_by_an_index(connection: Explaining) -> None:
    """It is looked up in the thread that writes, whenever a machine comes with a name that is taken."""
    await SqlDevices(connection).is_name_taken(TENANT, "web")

    assert connection.plans == [
        "SEARCH devices USING INDEX devices_live_name_key_key (tenant_id=? AND name_key=?)"
    ]


@pytest.mark.parametrize("by_name", [False, True])
async def test_a_list_passes_over_devices_that_have_ended(connection: Explaining, by_name: bool) -> None:
    plan = await plan_of_page(connection, by_name=by_name)

    assert "INDEX devices_live_" in plan
    assert "ORDER BY" not in plan


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize(
    ("filtered", "index"),
    [
        ({"name": "web"}, "(tenant_id=? AND name_key=?)"),
        ({"owner_id": UserId("usr_a")}, "devices_live_of_owner_index (owner_id=? AND tenant_id=?"),
        ({"registration_token_id": RegistrationTokenId("rgt_a")}, "(registration_token_id=? AND tenant_id=?"),
    ],
)
async def test_a_list_looks_only_at_what_its_filter_lets_pass(
    connection: Explaining, by_name: bool, filtered: dict[str, Any], index: str
) -> None:
    assert index in await plan_of_page(connection, by_name=by_name, **filtered)


@pytest.mark.parametrize(
    ("state", "by_name"),
    [(DeviceState.PENDING, False), (DeviceState.QUARANTINED, True), (DeviceState.REVOKED, False)],
)
async def test_a_list_of_those_that_wait_or_have_ended_looks_at_no_others(
    connection: Explaining, state: DeviceState, by_name: bool
) -> None:
    assert "(tenant_id=? AND state=?" in await plan_of_page(connection, state=state, by_name=by_name)
