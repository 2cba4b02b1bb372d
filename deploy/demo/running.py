"""One run of the demo: start all, wait until all answer, greet, wait for the end, stop all."""

import asyncio
import os
import select
import signal
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession

from common.tasks import Tasks
from deploy.demo.crew import Crew
from deploy.demo.errors import DemoError
from deploy.demo.parts import Part, Plan, other_parts, provider_part
from deploy.demo.ready import Pause, wait_until_it_answers
from deploy.demo.secrets_kept import KeptSecrets
from deploy.demo.welcome import Screen

# Long: on a small machine with other work, five Python and Go programs start at once.
READY_WITHIN_S = 60.0
LINES_SHOWN = 20
LOOKS_EVERY_S = 1.0
STDIN = 0


@dataclass(frozen=True)
class Demo:
    plan: Plan
    secrets: KeptSecrets
    screen: Screen

    async def run(self) -> bool:
        """True when it ran until somebody stopped it, False when a part ended or did not start."""
        tasks = Tasks()
        crew = Crew(self.plan.folder, tasks)
        stop_asked = _stop_signals(crew)
        starting = tasks.start("start", self._start(crew, tasks))
        ending = tasks.start("end", _stop_or_end(crew, stop_asked, tasks))
        try:
            await asyncio.wait([starting, ending], return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                await starting
                self.screen.welcome(self.plan.url, self.secrets.passwords, shown(self.plan.folder.logs))
            ended = await ending
        except DemoError as error:
            self.screen.problem(str(error), [])
            return False
        finally:
            starting.cancel()
            await asyncio.wait([starting])
            self.screen.step("Stopping ...")
            await crew.stop()
            await tasks.close()
        if ended is not None:
            self._tell_the_end_of(ended)
        self.screen.step("Everything has stopped.")
        return ended is None

    async def _start(self, crew: Crew, tasks: Tasks) -> None:
        self.screen.step("Starting ...")
        async with ClientSession() as session:
            first = provider_part(self.plan)
            await crew.start(first)
            await self._ready(session, first)
            others = other_parts(self.plan)
            for part in others:
                await crew.start(part)
            waiting = [tasks.start(f"{part.name} answers", self._ready(session, part)) for part in others]
            try:
                await asyncio.gather(*waiting)
            finally:
                for task in waiting:
                    task.cancel()

    async def _ready(self, session: ClientSession, part: Part) -> None:
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await wait_until_it_answers(session, part.ready_url)
        except TimeoutError:
            log = shown(self.plan.folder.log(part.name))
            raise DemoError(f"{part.name} does not answer at {part.ready_url}: {log} may say why.") from None
        self.screen.ready(part.name, part.url)

    def _tell_the_end_of(self, part: Part) -> None:
        log = self.plan.folder.log(part.name)
        lines = last_lines(log)
        self.screen.problem(f"{part.name} ended by itself. The last lines of {shown(log)}:", lines)


def last_lines(path: Path) -> list[str]:
    with path.open(encoding="utf-8", errors="replace") as log:
        return [line.rstrip("\n") for line in deque(log, LINES_SHOWN)]


def shown(path: Path) -> Path:
    """As a person in the current folder would write it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _stop_signals(crew: Crew) -> asyncio.Event:
    """Set by Ctrl-C, SIGTERM and SIGHUP; a second one does not wait for anybody."""
    asked = asyncio.Event()

    def ask() -> None:
        if asked.is_set():
            crew.kill()
        asked.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Ignored is what `nohup` asks for.
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, ask)
    return asked


async def _terminal_gone(pause: Pause = asyncio.sleep) -> None:
    """Returns when the terminal that the demo was started from is closed; never when there was none.

    SIGHUP goes to the leader of a terminal's session. A shell hands it on; but after `ssh -t host make demo`
    the leader is `make`, which waits for the demo instead.
    """
    poll = select.poll()
    if os.isatty(STDIN):
        poll.register(STDIN, 0)  # no event is asked for: a hang-up is told all the same
    while not poll.poll(0):
        await pause(LOOKS_EVERY_S)


async def _stop_or_end(crew: Crew, stop_asked: asyncio.Event, tasks: Tasks) -> Part | None:
    """The part that ended by itself; None when somebody asked to stop."""
    asked = tasks.start("stop asked", stop_asked.wait())
    gone = tasks.start("terminal gone", _terminal_gone())
    ends: list[asyncio.Future[Part] | asyncio.Task[bool] | asyncio.Task[None]]
    ends = [asked, gone, crew.first_to_end]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    return None if asked.done() or gone.done() else crew.first_to_end.result()
