"""Starting, watching and stopping parts, with small parts that misbehave on purpose."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from common.tasks import Tasks
from deploy.demo.crew import Crew
from deploy.demo.folder import Folder
from deploy.demo.parts import Part

POLITE = """
import pathlib, signal, sys
def end(*_):
    with open("order", "a") as order:
        order.write(sys.argv[1] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[1]).touch()
signal.pause()
"""

STUBBORN = """
import pathlib, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).touch()
while True:
    signal.pause()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.prepare()
    return folder


@pytest.fixture
async def crew(folder: Folder) -> AsyncIterator[Crew]:
    tasks = Tasks()
    crew = Crew(folder, tasks)
    yield crew
    crew.kill()
    await crew.stop()
    await tasks.close()


def part(name: str, program: str, **settings: str) -> Part:
    return Part(name, (sys.executable, "-c", program, name), settings, url="", ready_url="")


async def started(crew: Crew, folder: Folder, *parts: Part) -> None:
    """Started, and so far that they have touched a file of their name."""
    for one in parts:
        await crew.start(one)
    async with asyncio.timeout(20):
        while not all((folder.path / one.name).exists() for one in parts):  # noqa: ASYNC110 - a file
            await asyncio.sleep(0.01)


async def test_the_last_one_started_is_stopped_first(crew: Crew, folder: Folder) -> None:
    await started(crew, folder, part("first", POLITE), part("second", POLITE), part("third", POLITE))

    await crew.stop()

    assert (folder.path / "order").read_text().split() == ["third", "second", "first"]


async def test_a_part_that_does_not_listen_is_killed_and_the_others_still_end_well(
    crew: Crew, folder: Folder
) -> None:
    await started(crew, folder, part("polite", POLITE), part("stubborn", STUBBORN))

    async with asyncio.timeout(10):
        await crew.stop(within_s=0.6)

    assert (folder.path / "order").read_text().split() == ["polite"]


async def test_a_part_that_ends_is_noticed(crew: Crew, folder: Folder) -> None:
    await started(crew, folder, part("steady", POLITE))
    await crew.start(part("brief", "print('the reason'); raise SystemExit(3)"))

    async with asyncio.timeout(20):
        ended = await crew.first_to_end

    assert ended.name == "brief"
    assert folder.log("brief").read_text() == "the reason\n"


async def test_a_part_sees_its_own_settings_and_nobody_elses(
    crew: Crew, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "HTTP_PROXY", "OIDC_CLIENT_SECRET", "PYTHONSTARTUP"):
        monkeypatch.setenv(name, "the person's own")
    await crew.start(part("curious", "import os; print(dict(os.environ), os.getcwd())", LISTEN="here"))
    async with asyncio.timeout(20):
        await crew.first_to_end

    seen = folder.log("curious").read_text()
    assert "'LISTEN': 'here'" in seen
    assert "the person's own" not in seen
    assert f"'HOME': '{folder.home}'" in seen
    assert seen.strip().endswith(str(folder.path))
