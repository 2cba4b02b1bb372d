"""`python -m deploy.testing`: what `make test` runs once everything is installed. Ends with one total."""

import os
import sys
from pathlib import Path

from common.clock import SystemClock
from deploy.testing.debian import install, may_install, unpack
from deploy.testing.left_out import left_out_lines
from deploy.testing.parts import ROOT, UNPACKED, chromium, nginx, nothing_may_be_left_out, versions
from deploy.testing.suites import Tally, run_console_suite, run_python_suite

WORK = ROOT / ".cache" / "tests"


def main() -> int:
    clock = SystemClock()
    started = clock.monotonic()
    if chromium() is None and may_install():
        install("chromium")
    if nginx() is None and may_install():
        unpack("nginx", UNPACKED)
    _keep_out_of_the_persons_home(WORK / "home")
    print("Testing with", *versions(), sep="\n  ", flush=True)
    print("The console's tests ...", flush=True)
    tally = run_console_suite(WORK / "console.json")
    print("All other tests ...", flush=True)
    tally += run_python_suite()
    for line in summary(tally, clock.monotonic() - started):
        print(line, flush=True)
    return int(has_failed(tally, ci=nothing_may_be_left_out()))


def _keep_out_of_the_persons_home(home: Path) -> None:
    """Chromium, the command line and npm keep files in a home: they get one in the checkout."""
    home.mkdir(parents=True, exist_ok=True)
    os.environ["HOME"] = str(home)
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        os.environ[name] = str(home / name.lower())


def has_failed(tally: Tally, *, ci: bool) -> bool:
    return tally.has_failed or tally.failed > 0 or (ci and tally.left_out.total() > 0)


def summary(tally: Tally, seconds: float) -> list[str]:
    counts = f"{tally.passed} passed, {tally.failed} failed, {tally.left_out.total()} left out"
    return ["", *left_out_lines(tally.left_out), f"{counts} in {seconds:.0f} s"]


if __name__ == "__main__":
    sys.exit(main())
