"""A process whose disk gets full and is then made larger; what it was told is the last line that it prints.

First what happened, then the ids of the users that are kept.
"""

import asyncio
import resource
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from apiserver.errors import StorageUnavailableError
from apiserver.storage.contracts import Storage
from apiserver.storage.location import SqliteFile
from apiserver.storage.sql import open_storage
from apiserver.tenants.users import Identity, Profile
from tests.apiserver.storage.rows import a_user, add_user, find

_ROOM_BYTES = 300_000
_MOST = 20_000


async def fill(path: Path) -> None:
    told: list[str] = []
    kept: list[str] = []
    async with AsyncExitStack() as stack:
        storage = await open_storage(stack, SqliteFile(path))
        _let_files_grow_to(_ROOM_BYTES)
        if await _fill_up(storage, kept):
            told.append("unavailable")
        if await find(storage, _identity(0)) is not None:
            told.append("readable")
        _let_files_grow_to(resource.RLIM_INFINITY)
        if await add_user(storage, a_user("usr_last")):
            told.append("writable")
            kept.append("usr_last")
    print(*told, *kept)  # noqa: T201 - read by the test


async def _fill_up(storage: Storage, kept: list[str]) -> bool:
    for start in range(0, _MOST, 10):
        users = [a_user(f"usr_{number}", _identity(number), _LONG) for number in range(start, start + 10)]
        results = await asyncio.gather(*(add_user(storage, user) for user in users), return_exceptions=True)
        kept += [user.id for user, result in zip(users, results, strict=True) if result is True]
        if any(isinstance(result, StorageUnavailableError) for result in results):
            return True
    return False


def _identity(number: int) -> Identity:
    return Identity("i", str(number))


def _let_files_grow_to(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


_LONG = Profile("x" * 1000)

if __name__ == "__main__":
    asyncio.run(fill(Path(sys.argv[1])))
