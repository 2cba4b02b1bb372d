"""What was acknowledged outlives the processes that know of it, on every engine."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

from tests.apiserver.storage.databases import Database, where

ROOT = Path(__file__).parents[3]
ENOUGH = 300
PAIRS = "SELECT users.id, tenants.personal_of FROM users LEFT JOIN tenants ON personal_of = users.id"


async def test_what_was_acknowledged_outlives_a_kill_and_nothing_is_there_by_half(database: Database) -> None:
    command = [sys.executable, "-m", "tests.apiserver.storage.acknowledging", where(database.location)]
    writer = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE)
    assert writer.stdout is not None
    lines = [await writer.stdout.readline() for _ in range(ENOUGH)]
    writer.kill()
    # Without the last one, which the kill may have cut on its way.
    lines += (await writer.stdout.read()).split(b"\n")[:-1]
    await writer.wait()
    acknowledged = {line.decode().strip() for line in lines}
    kept = [pair.split("|") for pair in database.execute(PAIRS).split()]

    assert len(acknowledged) >= ENOUGH
    assert acknowledged <= {user_id for user_id, _ in kept}
    assert all(user_id == owner_of_tenant for user_id, owner_of_tenant in kept)
