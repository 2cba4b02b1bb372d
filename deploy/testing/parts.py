"""Which parts the machine has that some tests need. The names are pytest's markers in pyproject.toml."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]

CADDY = Path(sys.executable).with_name("caddy")
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def missing_parts() -> dict[str, str]:
    """The marker of each part that is missing, and what is missing with its remedy."""
    faults = {"browser": _browser_fault(), "caddy": _caddy_fault(), "node": _node_fault()}
    return {marker: fault for marker, fault in faults.items() if fault is not None}


def nothing_may_be_left_out(environment: Mapping[str, str] = os.environ) -> bool:
    return environment.get("CI", "").lower() in {"true", "1"}


def chromium() -> Path | None:
    """The browser of the end-to-end tests."""
    found = (shutil.which(name) for name in CHROMIUM_NAMES)
    return next((Path(path) for path in found if path is not None), None)


def node_fault() -> str | None:
    """What Node.js or npm lack, in a sentence; None when the console can be built."""
    script = ROOT / "deploy/testing/check-node"
    check = subprocess.run([script], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    return check.stderr.strip().partition(". ")[0] if check.returncode else None


def versions() -> list[str]:
    """What a result was found with, a line each."""
    commands = {
        "Python": [sys.executable, "--version"],
        "Caddy": [str(CADDY), "version"],
        "Node.js": ["node", "--version"],
        "Chromium": [str(chromium() or "chromium"), "--version"],
    }
    return [platform.platform(), *(f"{name}: {_first_line(command)}" for name, command in commands.items())]


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - named above
    except OSError:
        return "none"
    return done.stdout.partition("\n")[0].strip()


def _browser_fault() -> str | None:
    if chromium() is None:
        return "no Chromium (Debian: apt-get install chromium)"
    if not (ROOT / "console/dist/index.html").exists():
        return "the console is not built (make test builds it where Node.js is)"
    return None


def _caddy_fault() -> str | None:
    return None if CADDY.exists() else "no Caddy beside Python (make test)"


def _node_fault() -> str | None:
    fault = node_fault()
    if fault is None and not (ROOT / "tests/provider/node_modules").exists():
        return "the npm packages of tests/provider are not installed (make test)"
    return fault
