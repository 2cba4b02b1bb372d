"""`python -m deploy.demo.tied PARENT COMMAND...`: become COMMAND, tied to the process PARENT.

When that process is gone, even by `kill -9`, the system kills this one: nothing is left behind that holds the
ports. Only Linux can do this; elsewhere COMMAND runs untied.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # from linux/prctl.h


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            return  # it died before we were tied to it
    os.execv(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
