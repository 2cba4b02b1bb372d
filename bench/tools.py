"""What `bench/setup` has put into .cache/bench, and what the machine has."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.processes import ROOT

TOOLS = ROOT / ".cache" / "bench"
GO_STANDIN = TOOLS / "go-standin"
SETUP_HINT = "bench/setup installs it where it can"

_DEBIAN = TOOLS / "debian"


def debian_program(name: str) -> Path | None:
    """Unpacked below our folder by preference, else installed on the machine."""
    places = [_DEBIAN / "usr/sbin" / name, _DEBIAN / "usr/bin" / name, Path("/usr/sbin") / name]
    found = next((place for place in places if place.exists()), None)
    on_path = shutil.which(name)
    return found or (Path(on_path) if on_path else None)


def debian_file(path: str) -> Path | None:
    places = [_DEBIAN / path, Path("/") / path]
    return next((place for place in places if place.exists()), None)


def library_settings() -> dict[str, str]:
    """Lets unpacked programs find the libraries that were unpacked beside them."""
    folders = [str(folder) for folder in (_DEBIAN / "usr/lib").glob("*-linux-gnu*")]
    return {"LD_LIBRARY_PATH": ":".join(folders)} if folders else {}


def first_line(command: Sequence[str | Path]) -> str:
    done = subprocess.run(  # noqa: S603 - programs that the bench starts anyway
        command,
        env=os.environ | library_settings(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout.partition("\n")[0].strip()
