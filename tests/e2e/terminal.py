"""A real terminal with the `doorward` command in it, of somebody with a home of their own."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pexpect

from tests.e2e.stack import Product

DOORWARD = Path(sys.executable).with_name("doorward")
WITHIN_S = 30
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Finished:
    """What a command left on the screen, without colours."""

    exit_code: int
    screen: str


@dataclass(frozen=True)
class Asked:
    """What a person who logs in has to do elsewhere."""

    address: str
    code: str


@dataclass(frozen=True)
class Terminal:
    home: Path
    product: Product

    @asynccontextmanager
    async def login(self) -> AsyncIterator["LoginOnScreen"]:
        child = self._start("login", "--server", self.product.url)
        try:
            yield LoginOnScreen(child, self.product)
        finally:
            child.close(force=True)
            self._remember_secrets()

    async def run(self, *arguments: str) -> Finished:
        child = self._start(*arguments)
        try:
            return await _end_of(child)
        finally:
            child.close(force=True)

    async def access_token(self) -> str:
        finished = await self.run("token")
        assert finished.exit_code == 0, finished.screen
        token = finished.screen.strip()
        self.product.secrets.add("access token", token)
        return token

    @property
    def credentials(self) -> Path:
        return self.home / "doorward" / "credentials.json"

    def refresh_token(self) -> str:
        """The one on disk, as somebody who has copied the file would have it."""
        logins = json.loads(self.credentials.read_text())["logins"]
        return str(logins[self.product.url]["refresh_token"])

    def _start(self, *arguments: str) -> "pexpect.spawn[str]":
        return pexpect.spawn(
            str(DOORWARD),
            list(arguments),
            # No DISPLAY: on a developer's machine no browser of theirs opens.
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "DOORWARD_CONFIG_DIR": str(self.credentials.parent),
                "TERM": "xterm-256color",
                "LANG": "C.UTF-8",
            },
            cwd=str(self.home),
            encoding="utf-8",
            timeout=WITHIN_S,
            dimensions=(30, 160),
        )

    def _remember_secrets(self) -> None:
        if not self.credentials.exists():
            return
        for login in json.loads(self.credentials.read_text())["logins"].values():
            self.product.secrets.add("access token", login["access_token"])
            self.product.secrets.add("refresh token", login["refresh_token"])


@dataclass(frozen=True)
class LoginOnScreen:
    """`doorward login` while it waits for the person."""

    child: "pexpect.spawn[str]"
    product: Product

    async def asked(self) -> Asked:
        await asyncio.to_thread(self.child.expect, "Waiting for you to confirm")
        screen = COLOURS.sub("", str(self.child.before))
        address = re.search(r"1\. Open +(\S+)", screen)
        code = re.search(r"2\. Enter the code +(\S+)", screen)
        assert address is not None, screen
        assert code is not None, screen
        self.product.secrets.add("user code", code[1])
        return Asked(address[1], code[1])

    async def ended(self) -> Finished:
        return await _end_of(self.child)


async def _end_of(child: "pexpect.spawn[str]") -> Finished:
    await asyncio.to_thread(child.expect, pexpect.EOF)
    exit_code = await asyncio.to_thread(child.wait)
    return Finished(exit_code, COLOURS.sub("", str(child.before)))
