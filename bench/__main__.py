"""`python -m bench`: measures, and writes bench/results.json, docs/benchmarks.md and docs/benchmarks.svg."""

import argparse
import asyncio
import sys
from dataclasses import replace

from bench.peers.everyone import FORWARD_AUTH, everyone
from bench.processes import BenchError, Cores
from bench.report import PAGE, PICTURE, RESULTS, page, write_report
from bench.results import write_results
from bench.tables import QUICK, Bench, Plan
from common.clock import SystemClock


def main(arguments: list[str]) -> int:
    chosen = _parser().parse_args(arguments)
    wanted = chosen.only or (FORWARD_AUTH if chosen.forward_auth else None)
    peers = [peer for peer in everyone() if wanted is None or peer.key in wanted]
    command = " ".join(["python -m bench", *arguments]) if arguments else "make bench"
    plan = replace(QUICK if chosen.quick else Plan(), is_forward_auth_alone=chosen.forward_auth)
    bench = Bench(plan, Cores.of_this_machine(), SystemClock(), command)
    try:
        asyncio.run(bench.run(peers))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    print(page(bench.results))
    if (chosen.quick or chosen.only or chosen.forward_auth) and not chosen.write:
        print("Nothing is written: this was no whole run (--write does it all the same).")
        return 0
    write_results(bench.results, RESULTS)
    write_report(bench.results)
    print(f"Written: {RESULTS.name}, {PAGE.name}, {PICTURE.name} in {bench.results.seconds:.0f} s")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--quick", action="store_true", help="short windows, one round")
    parser.add_argument("--write", action="store_true", help="write the pages after a part of a run, too")
    parser.add_argument("--forward-auth", action="store_true", help="its table alone")
    names = [peer.key for peer in everyone()]
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, help=f"of {', '.join(names)}")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
