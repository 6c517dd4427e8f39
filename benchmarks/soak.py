"""A run whose runner is killed and whose batches crash, are throttled, time out and come twice, until it is complete.

`make soak` computes 100,000 items in 10,000 batches, the most that a run may have; the test suite has a shorter form,
at batch size 1.  It fails unless the total is exact, every item is counted once, nothing that had been committed was
computed again, what was computed again is explained, and neither process nor handle is left.  The last line on stdout
is one JSON object with the figures.

Every failure is tolerated by the runs: one that ends at its first crash would need a redrive for each of hundreds.
What failed is computed by a run on just that, as `hpc redrive` does it, until nothing fails.
"""

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

from processes import ProcessesLeftError
from soaking import Plan, Soak, SoakError

from hpc.targets.synthesis import find_assembly

PROJECT = Path(__file__).parents[1]
WORKLOAD = Path(__file__).with_name("soaked.py")
# Items are begun more than once each, so that some kills come as late as in a run on what failed.
LATEST_KILL = 1.03


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--kills", type=int, default=10, help="SIGKILLs of the runner")
    for kind, share in (("crash", 5), ("throttle", 5), ("timeout", 1), ("duplicate", 1)):
        parser.add_argument(f"--{kind}", type=float, default=share, metavar="P", help=f"percent of attempts ({share})")
    parser.add_argument("--most-at-once", type=int, default=2_500, help="most items that may be lost at a kill")
    parser.add_argument("--seed", type=int, default=None, help="of the faults and the moments of the kills")
    parser.add_argument("--assembly", type=Path, default=None, help="cloud assembly (synthesized)")
    return parser.parse_args()


def plan_of(args: argparse.Namespace, seed: int) -> Plan:
    kinds = ("crash", "throttle", "timeout", "duplicate")
    faults = "; ".join([*(f"{kind} Compute {getattr(args, kind)}%" for kind in kinds), f"seed={seed}"])
    # The first kill comes before the run has begun anything.
    later = random.sample(range(1, int(args.items * LATEST_KILL)), max(0, args.kills - 1))
    return Plan(
        items=args.items,
        batch_size=args.batch_size,
        faults=[faults],
        kills=sorted([0, *later][: args.kills]),
        most_at_once=args.most_at_once,
        watches_handles=True,
    )


def main() -> int:
    args = arguments()
    seed = args.seed if args.seed is not None else random.randrange(2**32)
    random.seed(seed)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        assembly = args.assembly or find_assembly(PROJECT, Path(folder))
        soak = Soak(plan_of(args, seed), Path(folder, "home"), assembly, WORKLOAD)
        try:
            soak.run()
        except (SoakError, ProcessesLeftError) as error:
            print(json.dumps({"error": str(error), "seed": seed, **vars(soak.figures)}))
            return 1
    print(json.dumps({"seed": seed, **vars(soak.figures)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
