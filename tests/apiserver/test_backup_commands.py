"""`python -m apiserver backup` and `restore` as an operator types them, beside a server under writes."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import asyncpg
import pexpect
import pytest

from apiserver.commands import read_command, run_command
from apiserver.storage.location import PostgresAddress, SqliteFile
from deploy.testing.parts import postgres_binaries
from tests.apiserver.server import ME, environment
from tests.apiserver.test_process import ROOT, apiserver, free_address, has_started
from tests.fakes.issuer import FakeIssuer
from tests.fakes.postgres_servers import PASSWORD, PostgresServer

COMMAND = (sys.executable, "-m", "apiserver")


@dataclass(frozen=True)
class Said:
    status: int
    output: str
    errors: str


async def run(*arguments: str | Path, folder: Path, **variables: str) -> Said:
    words = [*COMMAND, *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(
        *words, cwd=folder, env=command_environment(variables), stdout=PIPE, stderr=PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return Said(process.returncode, output.decode(), errors.decode())


def command_environment(variables: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables}


@dataclass
class Users:
    """People who sign in for the first time, one after the other: each is a write that was acknowledged."""

    issuer: FakeIssuer
    url: str
    ids: dict[str, str] = field(default_factory=dict)

    async def keep_coming(self, client: aiohttp.ClientSession, prefix: str) -> None:
        for number in range(1_000_000):
            subject = f"{prefix}-{number}"
            self.ids[subject] = await self.id_of(client, subject)

    async def id_of(self, client: aiohttp.ClientSession, subject: str) -> str:
        headers = {"Authorization": f"Bearer {self.issuer.access_token(sub=subject)}"}
        async with client.get(f"{self.url}{ME}", headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            return str((await answer.json())["id"])

    async def have_come(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.ids) < count:  # noqa: ASYNC110 - a count that rises by itself
                await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(issuer: FakeIssuer, folder: Path) -> AsyncIterator[tuple[str, Process]]:
    """A real server on doorward.db in the folder, and its address. At the end it stops in order."""
    public = free_address()
    variables = environment(issuer.url, Path("doorward.db"), LISTEN=public, PRIVATE_LISTEN=free_address())
    async with apiserver(variables, folder) as process:
        await has_started(process)
        assert process.stdout is not None
        # A log that nobody reads would stop the server.
        log = asyncio.create_task(process.stdout.read())
        yield f"http://{public}", process
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await log


@asynccontextmanager
async def coming(users: Users) -> AsyncIterator[None]:
    """Eight at a time, until the block ends."""
    async with aiohttp.ClientSession() as client:
        writers = [asyncio.create_task(users.keep_coming(client, f"writer-{number}")) for number in range(8)]
        try:
            yield
        finally:
            for writer in writers:
                writer.cancel()
            await asyncio.gather(*writers, return_exceptions=True)


async def test_a_backup_of_a_server_under_writes_holds_all_that_was_acknowledged_before(
    tmp_path: Path, issuer: FakeIssuer
) -> None:
    async with serving(issuer, tmp_path) as (url, _):
        users = Users(issuer, url)
        async with coming(users):
            await users.have_come(50)
            before = dict(users.ids)
            taken = await run("backup", "copy", folder=tmp_path, DATABASE_URL="sqlite:///doorward.db")
            await users.have_come(len(users.ids) + 20)

    restored = await run("restore", "copy", folder=tmp_path, DATABASE_URL="sqlite:///doorward.db")

    assert (taken.status, taken.errors) == (0, "")
    assert taken.output.startswith("copy holds all of doorward.db. Keep doorward.db.key as well")
    assert (restored.status, restored.errors) == (0, "")
    assert "The former is doorward.db.before-restore-1." in restored.output
    async with serving(issuer, tmp_path) as (url, _), aiohttp.ClientSession() as client:
        again = Users(issuer, url)
        # Somebody who had been lost would be somebody new, with another id.
        assert {subject: await again.id_of(client, subject) for subject in before} == before


async def test_a_restore_beside_a_running_server_is_refused(tmp_path: Path, issuer: FakeIssuer) -> None:
    async with serving(issuer, tmp_path):
        await run("backup", "copy", folder=tmp_path, DATABASE_URL="sqlite:///doorward.db")
        refused = await run("restore", "copy", folder=tmp_path, DATABASE_URL="sqlite:///doorward.db")

    assert refused == Said(1, "", "A server has doorward.db open: stop it first.\n")


async def test_a_server_that_was_killed_does_not_stand_in_the_way(tmp_path: Path, issuer: FakeIssuer) -> None:
    async with serving(issuer, tmp_path) as (_, process):
        await run("backup", "copy", folder=tmp_path, DATABASE_URL="sqlite:///doorward.db")
        process.kill()
        await process.wait()
        restored = await run("restore", "copy", folder=tmp_path, DATABASE_URL="sqlite:///doorward.db")

    assert restored.status == 0


def test_what_cannot_be_done_is_a_sentence_and_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("backup", Path("copy"), SqliteFile(Path("none.db"))) == 1

    assert capsys.readouterr() == ("", "There is no file none.db: check the name.\n")


async def test_a_wrong_configuration_is_told_as_at_a_start(tmp_path: Path) -> None:
    said = await run("backup", "copy", folder=tmp_path)

    assert said.status == 2
    assert said.errors.startswith("The configuration cannot be used:\n  - DATABASE_URL is not set: ")


@pytest.mark.parametrize("words", [["backup"], ["restore"], ["back"], ["backup", "one", "two"]])
def test_a_command_that_is_none_is_explained(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        read_command(words)

    assert capsys.readouterr().err.startswith("usage: python -m apiserver")


async def test_who_watches_sees_it_go_on(tmp_path: Path, issuer: FakeIssuer) -> None:
    async with serving(issuer, tmp_path):
        pass

    variables = command_environment({"DATABASE_URL": "sqlite:///doorward.db"})
    watched = pexpect.spawn(COMMAND[0], [*COMMAND[1:], "backup", "copy"], cwd=str(tmp_path), env=variables)
    watched.expect("100 %", timeout=20)
    watched.expect(pexpect.EOF, timeout=20)
    watched.close()

    assert watched.exitstatus == 0


@pytest.mark.postgresql
async def test_with_postgresql_the_commands_that_are_told_do_it(
    tmp_path: Path, postgres_server: PostgresServer, postgres_url: str
) -> None:
    await execute(postgres_url, "CREATE TABLE notes AS SELECT 'first' AS note")

    backup = await run("backup", "it's a copy", folder=tmp_path, DATABASE_URL=postgres_url)
    await shell(told_by(backup), tmp_path)
    await execute(postgres_url, "INSERT INTO notes VALUES ('later')")
    restore = await run("restore", "it's a copy", folder=tmp_path, DATABASE_URL=postgres_url)
    await shell(told_by(restore), tmp_path)

    assert postgres_server.execute("SELECT note FROM notes", postgres_url.rpartition("/")[2]) == "first\n"
    assert (tmp_path / "it's a copy").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("name", "first_words"), [("backup", "PostgreSQL is backed up"), ("restore", "Stop all servers")]
)
def test_with_postgresql_it_is_a_failure_and_the_password_is_not_told(
    name: str, first_words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "postgresql://doorward:hunter2@db.internal:5433/doorward?sslmode=require"

    assert run_command(name, Path("copy"), PostgresAddress(url)) == 1

    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith(first_words)
    assert f"--dbname={url.replace(':hunter2', '')}" in errors.replace("'", "")
    assert "hunter2" not in errors


def told_by(said: Said) -> str:
    """The command in the last line."""
    assert said.status == 1
    return said.errors.splitlines()[-1]


async def shell(command: str, folder: Path) -> None:
    variables = {"PATH": f"{postgres_binaries()}:{os.environ['PATH']}", "PGPASSWORD": PASSWORD}
    process = await asyncio.create_subprocess_shell(command, cwd=folder, env=variables, stderr=PIPE)
    _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
