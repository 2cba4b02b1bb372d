"""The machine that a run was made on."""

import os
import platform
from pathlib import Path

from bench.processes import Cores
from bench.results import MIB, Machine


def describe_machine(cores: Cores) -> Machine:
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        model=_model(Path("/proc/cpuinfo").read_text(encoding="utf-8")),
        memory_gib=round(_memory_kib(Path("/proc/meminfo").read_text(encoding="utf-8")) / MIB, 1),
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        pinned=cores.server is not None,
        load_before=round(os.getloadavg()[0], 2),
    )


def _model(cpuinfo: str) -> str:
    lines = (line for line in cpuinfo.splitlines() if line.startswith("model name"))
    return next(lines, platform.machine()).rpartition(":")[2].strip()


def _memory_kib(meminfo: str) -> int:
    return int(meminfo.partition("MemTotal:")[2].split()[0])
