"""`doorward` with a clock that says on stderr when it is first looked at: the credentials are read by then.

`python -m tests.cli.announcing token` is a whole process; the test knows what it has seen without a sleep.
"""

import sys
from dataclasses import replace
from datetime import datetime

from cli.invocation import SYSTEM_PARTS
from cli.main import main
from common.clock import SystemClock


class AnnouncingClock(SystemClock):
    def __init__(self) -> None:
        self._was_asked = False

    def now(self) -> datetime:
        if not self._was_asked:
            print("looked", file=sys.stderr, flush=True)  # noqa: T201 - the test reads it
        self._was_asked = True
        return super().now()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], replace(SYSTEM_PARTS, clock=AnnouncingClock())))
