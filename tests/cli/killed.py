"""`doorward` that is killed just before its Nth replacement of a file: `python -m tests.cli.killed N enroll`.

Replacements are what makes its steps on disk last; the kill leaves no time to clean up.
"""

import os
import signal
import sys
from itertools import count

from cli.main import main


def kill_before_replacement(number: int) -> None:
    replacements = count(1)

    def look(event: str, _arguments: tuple[object, ...]) -> None:
        if event == "os.rename" and next(replacements) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


if __name__ == "__main__":
    kill_before_replacement(int(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
