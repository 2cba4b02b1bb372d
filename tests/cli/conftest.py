"""The command in this process, with a clock and a person that a test moves by hand."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cli.invocation import Parts
from cli.main import main
from common.randomness import SystemRandomness
from tests.cli.real_api import RealApi, real_api
from tests.fakes.clock import FakeClock
from tests.fakes.device_provider import DeviceProvider


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@dataclass
class Machine:
    """What `doorward` takes from the machine: a fake clock, sleeps without time, a browser that counts."""

    capture: pytest.CaptureFixture[str]
    clock: FakeClock = field(default_factory=FakeClock)
    sleeps: list[float] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    can_open: bool = True
    host: str = "kitchen-laptop.example.com"
    id: str | None = "8f14e45fceea167a5a36dedd4bea2543"
    interrupts_at_sleep: int | None = None

    def run(self, *arguments: str) -> Result:
        parts = Parts(
            self.clock, self._sleep, self._open, SystemRandomness(), lambda: self.host, lambda: self.id
        )
        code = main(arguments, parts)
        captured = self.capture.readouterr()
        return Result(code, captured.out, captured.err)

    def _sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        if len(self.sleeps) == self.interrupts_at_sleep:
            raise KeyboardInterrupt
        self.clock.advance(seconds=seconds)

    def _open(self, address: str) -> bool:
        self.opened.append(address)
        return self.can_open


@pytest.fixture
def provider() -> Iterator[DeviceProvider]:
    with DeviceProvider.start() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "config" / "doorward"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, folder: Path, provider: DeviceProvider) -> None:
    """Only what the tests say: no display, no proxy, no colour of the machine that runs them."""
    for name in os.environ:
        if name.lower().endswith("_proxy") or name in {"CI", "DISPLAY", "WAYLAND_DISPLAY", "NO_COLOR"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("DOORWARD_CONFIG_DIR", str(folder))
    monkeypatch.setenv("DOORWARD_SERVER", provider.url)


@pytest.fixture
def machine(capsys: pytest.CaptureFixture[str]) -> Machine:
    return Machine(capsys)


@pytest.fixture
def api(
    machine: Machine, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: None
) -> Iterator[RealApi]:
    """The real API server, which goes by the machine's clock and is the server of all commands."""
    with real_api(tmp_path / "doorward.db", machine.clock) as running:
        monkeypatch.setenv("DOORWARD_SERVER", running.url)
        yield running


@pytest.fixture
def logged_in(machine: Machine, provider: DeviceProvider) -> Machine:
    """A machine on which alice has just logged in, with `access-1` and `refresh-1`."""
    assert machine.run("login").code == 0
    machine.sleeps.clear()
    provider.received.clear()
    return machine
