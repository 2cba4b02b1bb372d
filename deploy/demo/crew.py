"""The running parts: started, watched, stopped in order."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass

from common.tasks import Tasks
from deploy.demo.folder import Folder
from deploy.demo.parts import Part, environment_of

STOPPED_WITHIN_S = 5.0


@dataclass(frozen=True)
class Member:
    part: Part
    process: asyncio.subprocess.Process
    ended: asyncio.Task[int]


class Crew:
    """Each part has a session of its own: Ctrl-C reaches the demo alone, which then stops them in order.

    `first_to_end` is told when a part ends, asked to or not.
    """

    def __init__(self, folder: Folder, tasks: Tasks) -> None:
        self._folder = folder
        self._tasks = tasks
        self._members: list[Member] = []
        self.first_to_end: asyncio.Future[Part] = asyncio.get_running_loop().create_future()

    async def start(self, part: Part) -> None:
        with self._folder.log(part.name).open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "deploy.demo.tied", str(os.getpid())),
                *part.command,
                env=environment_of(part, self._folder),
                # Not the checkout: a .env file there is the person's, not the demo's.
                cwd=self._folder.path,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        ended = self._tasks.start(f"{part.name} runs", process.wait())
        ended.add_done_callback(lambda _ended: self._note_the_end_of(part))
        self._members.append(Member(part, process, ended))

    async def stop(self, within_s: float = STOPPED_WITHIN_S) -> None:
        """Tell them one by one, the last started first; kill what is still there when the time is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        for member in reversed(self._members):
            _signal(member, signal.SIGTERM)
            # The next one is told when this one has let go of it, or has had its share of the time.
            await asyncio.wait([member.ended], timeout=within_s / (len(self._members) + 1))
        for member in self._members:
            await asyncio.wait([member.ended], timeout=max(0.0, deadline - loop.time()))
        self.kill()
        await asyncio.gather(*(member.ended for member in self._members))

    def kill(self) -> None:
        """Without waiting for anybody."""
        for member in self._members:
            _signal(member, signal.SIGKILL)

    def _note_the_end_of(self, part: Part) -> None:
        if not self.first_to_end.done():
            self.first_to_end.set_result(part)


def _signal(member: Member, number: signal.Signals) -> None:
    # Only while it is ours: the number of a process that has ended may be somebody else's by now.
    if member.process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(member.process.pid, number)
