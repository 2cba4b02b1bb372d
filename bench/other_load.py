"""A generator that is not ours, where it can be had: what wrk finds at nginx, beside what our load finds."""

import os
import re
import subprocess
from pathlib import Path

from bench.processes import on_core
from bench.tools import debian_program, library_settings
from bench.traffic import question

CONNECTIONS = 64


def requests_per_s_of_wrk(port: int, seconds: float, core: int | None) -> float | None:
    """Of the same request; None without wrk."""
    wrk = debian_program("wrk")
    if wrk is None:
        return None
    lines = question("items", 0, 0, "doorward_session=" + "0" * 43).head.decode("latin-1").split("\r\n")
    path, headers = lines[0].split(" ")[1], [word for line in lines[1:] if line for word in ("-H", line)]
    command: list[str | Path] = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", *headers]
    done = subprocess.run(  # noqa: S603 - found by name where Debian puts it
        on_core(core, [*command, f"http://127.0.0.1:{port}{path}"]),
        env=os.environ | library_settings(),
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Requests/sec:\s*([0-9.]+)", done.stdout)
    return float(found[1]) if found else None
