"""Runs the campaigns for as long as one likes: `python -m fuzz --minutes 10 --seed 1`."""

import argparse
import secrets
import sys

from fuzz.answers import Answers
from fuzz.campaign import Campaign, Side
from fuzz.requests import Requests
from harness.loops import LoopThread


def main() -> int:
    """Run each campaign for its share of the time. Gives the exit code: 1 when something failed."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long in all")
    parser.add_argument("--seed", type=int, default=None, help="the same seed draws the same cases")
    parser.add_argument("--only", choices=("requests", "answers"), help="one side alone")
    options = parser.parse_args()
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    print(f"seed {seed}")  # noqa: T201  # it is a program
    failed = False
    kinds = [kind for kind in (Requests, Answers) if options.only in (None, kind.__name__.lower())]
    for kind in kinds:
        with LoopThread() as loop:
            side: Side = kind(loop)
            with Campaign(side, seed) as campaign:
                campaign.run(lambda figures: figures.seconds > options.minutes * 60 / len(kinds))
        print(f"{side.name}: {campaign.figures}")  # noqa: T201
        for failure in campaign.failures:
            failed = True
            print(f"\n{failure}")  # noqa: T201
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
