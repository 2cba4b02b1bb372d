"""Checkpoints in the log: one for each chain that grew, none for others, none lost."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from structlog.testing import capture_logs

from apiserver.audit.chain import audit_key
from apiserver.audit.checkpoints import CheckpointLog
from apiserver.audit.trail import Actor, Auditor, Deed
from apiserver.errors import StorageUnavailableError
from apiserver.storage.contracts import Storage, Transaction, Work
from apiserver.storage.location import SqliteFile
from apiserver.storage.sql import open_storage
from apiserver.tenants.tenants import Tenant, TenantId, TenantKind
from common.randomness import SystemRandomness
from tests.apiserver.builders import NOW
from tests.apiserver.server import api_server
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer

T = TypeVar("T")

ONE, OTHER = TenantId("ten_1"), TenantId("ten_2")


class FlakyStorage:
    """A storage that is away when it is told to be."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.is_away = False

    async def read(self, work: Work[T]) -> T:
        if self.is_away:
            raise StorageUnavailableError("SQLITE_BUSY")
        return await self._storage.read(work)

    async def write(self, work: Work[T]) -> T:
        return await self._storage.write(work)

    async def ping(self) -> None:
        await self._storage.ping()


class Chains:
    """Chains of tenants, and the log of their checkpoints."""

    def __init__(self, storage: FlakyStorage) -> None:
        self.storage = storage
        self.log = CheckpointLog(storage)

    async def add_tenants(self, *tenant_ids: TenantId) -> None:
        async def add(transaction: Transaction) -> None:
            for tenant_id in tenant_ids:
                await transaction.tenants.add(Tenant(tenant_id, "x", TenantKind.PRIVATE, None, NOW))

        await self.storage.write(add)

    async def append(self, tenant_id: TenantId, *, is_noted: bool = True) -> None:
        auditor = Auditor(audit_key(bytes(32)), SystemRandomness(), self.log.note if is_noted else print)
        actor, deed = Actor("user", "usr_1", NOW), Deed(tenant_id, "thing.done", "thing", "thg_1")
        await self.storage.write(lambda transaction: auditor.record(transaction, actor, deed))

    async def written(self) -> list[tuple[str, int]]:
        """The tenants and seqs of one writing."""
        with capture_logs() as lines:
            await self.log.write()
        return [(line["tenant_id"], line["seq"]) for line in lines if line["event"] == "audit_checkpoint"]


@pytest.fixture
async def chains(tmp_path: Path) -> AsyncIterator[Chains]:
    async with AsyncExitStack() as stack:
        chains = Chains(FlakyStorage(await open_storage(stack, SqliteFile(tmp_path / "doorward.db"))))
        await chains.add_tenants(ONE, OTHER)
        yield chains


async def test_each_chain_that_grew_has_its_last_event_in_the_log(chains: Chains) -> None:
    for tenant_id in (ONE, OTHER, ONE):
        await chains.append(tenant_id)

    assert await chains.written() == [(ONE, 2), (OTHER, 1)]


async def test_a_chain_that_did_not_grow_has_no_line(chains: Chains) -> None:
    await chains.append(ONE)
    await chains.written()
    await chains.append(OTHER)

    assert await chains.written() == [(OTHER, 1)]
    assert await chains.written() == []


@pytest.mark.parametrize("former_events", [0, 1])
async def test_a_transaction_that_ends_just_after_the_look_is_in_the_next_one(
    chains: Chains, former_events: int
) -> None:
    for _ in range(former_events):
        await chains.append(ONE)
    await chains.written()
    chains.log.note(ONE)
    too_early = await chains.written()
    await chains.append(ONE, is_noted=False)

    assert too_early == []
    assert await chains.written() == [(ONE, former_events + 1)]


async def test_a_transaction_that_was_not_kept_leaves_no_line(chains: Chains) -> None:
    chains.log.note(ONE)

    assert await chains.written() == []


async def test_what_cannot_be_read_now_is_written_later(chains: Chains) -> None:
    await chains.append(ONE)
    chains.storage.is_away = True
    with pytest.raises(StorageUnavailableError):
        await chains.written()
    chains.storage.is_away = False

    assert await chains.written() == [(ONE, 1)]


async def test_many_chains_are_all_in_the_log(chains: Chains) -> None:
    tenant_ids = [TenantId(f"ten_many_{number:03}") for number in range(450)]
    await chains.add_tenants(*tenant_ids)
    for tenant_id in tenant_ids:
        await chains.append(tenant_id)

    assert await chains.written() == [(tenant_id, 1) for tenant_id in tenant_ids]


async def test_a_server_that_ends_leaves_a_checkpoint_that_verifies(
    issuer: FakeIssuer, tmp_path: Path, clock: FakeClock
) -> None:
    database = tmp_path / "ended.db"
    with capture_logs() as lines:
        async with api_server(issuer, database, clock) as server:
            me = await server.me(issuer.access_token())
    (line,) = [line for line in lines if line["event"] == "audit_checkpoint"]
    checkpoint: dict[str, Any] = {"seq": line["seq"], "mac": line["mac"]}
    async with api_server(issuer, database, clock) as server:
        answer = await server.public.post(
            "/api/v1/audit-events/verify",
            json={"checkpoints": [checkpoint]},
            headers={"Authorization": f"Bearer {issuer.access_token()}"},
        )
        verdict = await answer.json()

    assert line["tenant_id"] == me["personal_tenant_id"]
    assert verdict["head"] == checkpoint
    assert verdict["is_intact"] is True
