"""`python -m tests.benchmarks`: this commit's ratios beside the recorded ones, or beside another commit's."""

import argparse
import sys
from pathlib import Path

from lfsgan_cli.commands.console import print_text, table
from tests.benchmarks import comparing
from tests.benchmarks.running import ROOT, BrokenBenchmarksError, checked_out, run

RECORDED = Path(__file__).parent / "recorded.json"


def main() -> int:
    """Zero however slow anything is; one where the benchmarks themselves fail."""
    options = _options()
    try:
        if options.against:
            _against(options.against, options.rounds)
        else:
            _beside_recorded(record=options.record)
    except BrokenBenchmarksError as error:
        sys.stderr.write(f"The benchmarks failed:\n{error}")
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--record", action="store_true", help=f"rewrite {RECORDED.relative_to(ROOT)}")
    parser.add_argument("--against", metavar="COMMIT", help="compare with this commit, rounds of both in turns")
    parser.add_argument("--rounds", type=int, default=3, help="of --against (default: 3)")
    return parser.parse_args()


def _beside_recorded(*, record: bool) -> None:
    recorded, origin = comparing.read(RECORDED) if RECORDED.exists() else ({}, "nothing")
    found = run()
    print_text(f"Times as multiples of a yardstick, one thread; recorded: {origin}.")
    table(comparing.BESIDE_RECORDED, comparing.beside_recorded(found, recorded))
    if record:
        comparing.write(RECORDED, found)


def _against(commit: str, rounds: int) -> None:
    ours, theirs = [], []
    with checked_out(commit) as tree:
        for _ in range(rounds):
            ours.append(run())
            theirs.append(run(tree))
    print_text(f"Times as multiples of a yardstick, one thread; this tree and {commit} in turns, {rounds} rounds.")
    table(comparing.BESIDE_COMMIT, comparing.beside_commit(ours, theirs))


if __name__ == "__main__":
    sys.exit(main())
