"""README's "A machine in three commands": the very lines, typed into a terminal, print what stands there."""

import asyncio
import json
import os
import re
import shutil
from pathlib import Path

import httpx
import pexpect
import pytest

from cli.addresses import DEFAULT_SERVER
from deploy.demo.parts import ROOT
from tests.e2e.marks import WITH_PRODUCT
from tests.e2e.stack import Product
from tests.e2e.terminal import DOORWARD, WITHIN_S
from tests.e2e.transcript import Step, masked, screen_of, steps_of
from tests.fakes.providers import ALICE, follow_to, submit

pytestmark = WITH_PRODUCT

TITLE = "## A machine in three commands"
COLUMNS = 100


def readme_steps() -> list[Step]:
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition(TITLE)[2].partition("\n## ")[0]
    return steps_of(re.findall(r"^```console\n(.*?)^```", section, re.MULTILINE | re.DOTALL))


async def confirm(browser: httpx.AsyncClient, address: str) -> None:
    """What alice does in her browser."""
    page = await browser.get(address, follow_redirects=False)
    answer = await submit(browser, page, username=ALICE.username, password=ALICE.password)
    page = await follow_to(browser, answer, "nowhere")
    done = await submit(browser, page, decision="allow")
    assert "Device connected" in done.text


class Person:
    """Somebody at a terminal of this machine, after `make demo`."""

    def __init__(self, home: Path, product: Product) -> None:
        self._home = home
        self._folder = home / "doorward"
        self._product = product

    async def types(self, line: str, browser: httpx.AsyncClient) -> Step:
        """The line, and what the screen shows when its command has ended."""
        bash = shutil.which("bash")
        assert bash is not None
        child = pexpect.spawn(
            bash,
            ["-c", line.replace(DEFAULT_SERVER, self._product.url)],
            env={
                "PATH": f"{DOORWARD.parent}:{os.environ['PATH']}",
                # The checkout that is tested, wherever the environment was made.
                "PYTHONPATH": str(ROOT),
                "HOME": str(self._home),
                "DOORWARD_CONFIG_DIR": str(self._folder),
                # The demo's port is the default; this one has another.
                "DOORWARD_SERVER": self._product.url,
                "TERM": "xterm-256color",
                "LANG": "C.UTF-8",
            },
            cwd=str(self._home),
            encoding="utf-8",
            timeout=WITHIN_S,
            dimensions=(40, COLUMNS),
        )
        before = ""
        try:
            if "doorward login" in line:
                await asyncio.to_thread(child.expect, r"Or open (\S+) and")
                before = str(child.before) + str(child.after)
                assert isinstance(child.match, re.Match)
                await confirm(browser, child.match[1])
            await asyncio.to_thread(child.expect, pexpect.EOF)
            assert await asyncio.to_thread(child.wait) == 0, child.before
            output = screen_of(before + str(child.before))
        finally:
            child.close(force=True)
        for secret in re.findall(r"dwr_\w+", output):
            self._product.secrets.add("registration token", secret)
        # As in the demo, whose port is the default, and whose users are called by their names.
        told = {self._product.url: DEFAULT_SERVER, ALICE.name: ALICE.username.capitalize()}
        for name, other in told.items():
            output = output.replace(name, other)
        return Step(line, output)

    def remember_secrets(self) -> None:
        """Those of the device, so that they are looked for in the logs."""
        (device,) = json.loads((self._folder / "device.json").read_text())["devices"].values()
        for name in ("device_token", "private_key"):
            self._product.secrets.add(name, device[name])


@pytest.fixture
def person(tmp_path: Path, product: Product) -> Person:
    return Person(tmp_path, product)


async def test_what_readme_promises_is_what_is_printed(
    person: Person, product: Product, program: httpx.AsyncClient
) -> None:
    steps = readme_steps()
    shown: list[Step] = []
    for step in steps:
        # The third line is the one that the second command has printed.
        line = shown[-1].output.splitlines()[-1] if " --token " in step.command else step.command
        shown.append(await person.types(line, program))
    person.remember_secrets()

    assert len(steps) == 3
    assert [masked(step) for step in shown] == [masked(step) for step in steps]
