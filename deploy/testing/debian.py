"""Debian packages for tests, installed on the machine or unpacked in the checkout: as root and aloud."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

APT_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive"}
LINES_SHOWN = 10


def may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(*packages: str) -> None:
    """Install, or show why not: what then is missing is left out by name."""
    print(f"Installing with apt-get, as root, for tests: {', '.join(packages)} ...", flush=True)
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        if not _apt_get(arguments):
            return


def unpack(package: str, into: Path) -> None:
    """One package without what it depends on, or a word why not.

    For servers: installed, they would be started on ports of the machine.
    """
    print(f"Unpacking with apt-get, as root, for tests: {package} ...", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        if not _apt_get(["update"]) or not _apt_get(["download", package], Path(folder)):
            return
        for file in Path(folder).glob("*.deb"):
            subprocess.run(["dpkg", "-x", file, into], check=True)  # noqa: S603, S607 - what apt-get has checked


def _apt_get(arguments: Sequence[str], folder: Path | None = None) -> bool:
    # Its temporary files are read by a user of its own, who cannot look into a root's checkout.
    environment = {name: value for name, value in os.environ.items() if name != "TMPDIR"}
    done = subprocess.run(  # noqa: S603 - the packages are named in this package
        ["apt-get", "--quiet=2", *arguments],  # noqa: S607 - where PATH says, as for a person
        env=environment | APT_ENVIRONMENT,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        print(
            *done.stdout.splitlines()[-LINES_SHOWN:], f"apt-get {arguments[0]} failed.", sep="\n", flush=True
        )
    return done.returncode == 0
