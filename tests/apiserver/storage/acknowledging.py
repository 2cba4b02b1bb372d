"""A process that writes without end, and says on its standard output what it was told is kept."""

import asyncio
import sys
from contextlib import AsyncExitStack
from functools import partial
from itertools import count

from apiserver.storage.contracts import Storage, Transaction
from apiserver.storage.sql import open_storage
from apiserver.tenants.users import Identity, UserId
from tests.apiserver.storage.databases import location_of
from tests.apiserver.storage.rows import a_tenant, a_user

_AT_ONCE = 16


async def write_for_ever(where: str) -> None:
    async with AsyncExitStack() as stack:
        storage = await open_storage(stack, location_of(where))
        numbers = count(1)
        await asyncio.gather(*(_write(storage, numbers) for _ in range(_AT_ONCE)))


async def _write(storage: Storage, numbers: "count[int]") -> None:
    for number in numbers:
        user_id = await storage.write(partial(_add_two_rows, number=number))
        print(user_id, flush=True)  # noqa: T201 - read by the test


async def _add_two_rows(tx: Transaction, number: int) -> UserId:
    user = a_user(f"usr_{number}", Identity("i", str(number)))
    await tx.users.add(user)
    await tx.tenants.add(a_tenant(f"ten_{number}", personal_of=user.id))
    return user.id


if __name__ == "__main__":
    asyncio.run(write_for_ever(sys.argv[1]))
