"""`python -m bench.api`: measures, and writes bench/api.json and docs/benchmarks-api.md."""

import argparse
import asyncio
import sys

from bench.api.report import page, write
from bench.api.run import ENGINES, SIZES, ApiBench, Plan
from bench.processes import BenchError, Cores
from common.clock import SystemClock


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.api")
    parser.add_argument("--quick", action="store_true", help="one round of a second each, printed only")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), metavar="DEVICES")
    chosen = parser.parse_args(arguments)
    is_whole = not arguments
    plan = Plan(
        rounds=1 if chosen.quick else 3,
        window_s=1.0 if chosen.quick else 2.0,
        sizes=tuple(chosen.sizes),
        engines=tuple(chosen.engines),
    )
    command = "make bench-api" if is_whole else " ".join(["python -m bench.api", *arguments])
    try:
        results = asyncio.run(ApiBench(plan, Cores.of_this_machine(), SystemClock()).run(command))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    print(page(results))
    if is_whole:
        write(results)
    else:
        print("Nothing is written: this was no whole run.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
