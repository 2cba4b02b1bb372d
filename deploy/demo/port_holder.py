"""Who listens on a port, where Linux lets us see it: root sees everybody, others see their own."""

from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
LISTENING = "0A"  # TCP_LISTEN, see proc_net_tcp in the kernel's documentation


def port_holder(port: int) -> str | None:
    """Such as `python3 (process 4711)`; None when it cannot be told."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not sockets:
        return None
    for process in PROC.glob("[0-9]*"):
        if sockets & _open_files(process):
            return f"{_name(process)} (process {process.name})"
    return None


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("tcp", "tcp6"):
        for line in _lines(PROC / "net" / table)[1:]:
            columns = line.split()
            if columns[3] == LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                found.add(columns[9])
    return found


def _open_files(process: Path) -> set[str]:
    found = set()
    # Files are closed and processes end while we look, and those of others are not ours to see.
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                found.add(str(descriptor.readlink()))
    return found


def _name(process: Path) -> str:
    return "".join(_lines(process / "comm")[:1]) or "a process"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
