"""Reading what processes used."""

import os
import subprocess
import sys

from bench.cpu import cpu_seconds, resident_bytes, tree

BUSY = "while True: pass"


def test_children_are_counted_with_their_parent() -> None:
    child = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        before = cpu_seconds(os.getpid())
        while cpu_seconds(child.pid) < 0.05:
            pass

        assert child.pid in tree(os.getpid())
        assert cpu_seconds(os.getpid()) - before >= 0.04
    finally:
        child.kill()
        child.wait()


def test_memory_is_that_of_the_whole_tree() -> None:
    assert resident_bytes(os.getpid()) > 10_000_000


def test_a_process_that_is_gone_used_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()

    assert cpu_seconds(child.pid) == 0
