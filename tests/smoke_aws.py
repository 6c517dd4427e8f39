"""The first deployment in a real account, end to end: ``make smoke-aws``.

Looks for the CDK's bootstrap, says what the runs should cost and asks, deploys, computes the same 64 items on every
back end that the stack has and compares the totals, fails a run and redrives it to success, destroys, and looks for
what is left.
Given ``--on-this-machine`` the runs are those of the local server, and nothing is deployed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

SIZE, WORKLOAD = 64, "squares"
TOTAL = str(sum(number**2 for number in range(SIZE)))
# The second of the items is no number, and is tolerated.
TOLERATED = {"items": [1, "two", 3], "workload": WORKLOAD, "tolerated_failure_percentage": 50}
# A workload that fails at one item until it is mended.
BROKEN = """def compute(index):
    if index == 5:
        raise ValueError("not mended yet")
    return index**2


def combine(a, b):
    return a + b
"""
MENDED = BROKEN.replace("index == 5", "index == -1")
Call = Callable[..., "subprocess.CompletedProcess[str]"]


def call(*command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    print("$", *command, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if check and done.returncode != 0:
        sys.exit(f"smoke: {' '.join(command)} ended with {done.returncode}")
    return done


class Smoke:
    """The steps; ``place`` is what each ``hpc`` command is told, ``--aws`` or nothing."""

    def __init__(self, run: Call, place: Sequence[str]) -> None:
        self.run = run
        self.place = place

    def hpc(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        return self.run("hpc", *arguments, *self.place, check=check)

    def document(self, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
        done = self.hpc(*arguments, "--output", "json", check=False)
        if done.returncode != exit_code:
            sys.exit(f"smoke: hpc {' '.join(arguments)} must end with {exit_code}, ended with {done.returncode}")
        value: dict[str, Any] = json.loads(done.stdout)
        return value

    def compute(self, back_ends: Sequence[str]) -> None:
        """Compute the same on every back end."""
        for back_end in back_ends:
            options = ("--size", str(SIZE), "--workload", WORKLOAD, "--back-end", back_end)
            total = self.document("run", *options)["output"]["total_sum"]
            if total != TOTAL:
                sys.exit(f"smoke: the total on {back_end} must be {TOTAL}, is {total}")
            print(f"smoke: {back_end}: {total}", flush=True)

    def fail_and_redrive(self, folder: Path) -> None:
        """Fail a run, redrive it to success with mended code; then run one whose failed item is tolerated, and told of.

        Parameters
        ----------
        folder
            For the file of the workload.
        """
        workload = folder / "smoke_check.py"
        workload.write_text(BROKEN)
        options = ("--size", str(SIZE), "--batch-size", "8", "--workload", str(workload))
        failed = self.document("run", *options, exit_code=1)
        workload.write_text(MENDED)
        name = str(failed["execution_arn"]).rpartition(":")[2]
        result = self.document("redrive", name, "--workload", str(workload))["output"]
        if (str(result["result"]), result["complete"]) != (TOTAL, True):
            sys.exit(f"smoke: the redriven run must come to {TOTAL}, it says {result}")
        partial = self.document("run", "--input", json.dumps(TOLERATED))["output"]
        if (partial["count"], partial["failed"], partial["complete"]) != (2, 1, False):
            sys.exit(f"smoke: 2 of 3 items must have a result, the run says {partial}")
        print("smoke: a failed run was redriven to success, a tolerated failure is told of", flush=True)


def compute_and_fail(smoke: Smoke, back_ends: Sequence[str]) -> None:
    """Do all that is done with runs."""
    smoke.compute(back_ends)
    with tempfile.TemporaryDirectory() as folder:
        smoke.fail_and_redrive(Path(folder))


def deployed_back_ends(stack: str) -> list[str]:
    """Return the back ends of a deployed stack, by its outputs."""
    query = "Stacks[0].Outputs[].OutputKey"
    done = call("aws", "cloudformation", "describe-stacks", "--stack-name", stack, "--query", query, "--output", "json")
    return ["lambda", "batch", "batch_callback"] if "JobQueueArn" in json.loads(done.stdout) else ["lambda"]


def in_account(stack: str, arguments: Sequence[str], *, is_agreed: bool) -> None:
    """Deploy, compute, destroy, and look for what is left."""
    call("aws", "cloudformation", "describe-stacks", "--stack-name", "CDKToolkit", "--query", "Stacks[0].StackStatus")
    print(call("hpc", "plan", "--size", str(SIZE), "--seconds", "0.01").stdout)
    print("smoke: four or so runs of that, an image if AWS Batch is on, and what is kept for minutes: under $1")
    if not is_agreed and input("smoke: deploy to this account? (yes) ") != "yes":
        sys.exit("smoke: nothing was deployed")
    call("cdk", "deploy", "--require-approval", "never", *arguments)
    try:
        compute_and_fail(Smoke(call, ["--aws", "--stack-name", stack]), deployed_back_ends(stack))
    finally:
        call(sys.executable, "-m", "hpc.commands.destroy", "--force", *arguments, "-c", f"hpc:stack_name={stack}")
    if call("aws", "cloudformation", "describe-stacks", "--stack-name", stack, check=False).returncode == 0:
        sys.exit(f"smoke: the stack {stack} is still there")
    for service, query in (
        ("logs describe-log-groups", "logGroups[].logGroupName"),
        ("s3api list-buckets", "Buckets[].Name"),
    ):
        names = json.loads(call("aws", *service.split(), "--query", query, "--output", "json").stdout) or []
        left = [name for name in names if stack.lower() in name.lower()]
        if left:
            sys.exit(f"smoke: left behind: {', '.join(left)}")
    print("smoke: all is as it should be, and nothing is left")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--on-this-machine", action="store_true")
    parser.add_argument("--stack-name", default="HpcStack")
    parser.add_argument("--yes", action="store_true", help="do not ask before it deploys")
    options, rest = parser.parse_known_args()
    if not options.on_this_machine:
        in_account(options.stack_name, rest, is_agreed=options.yes)
        return
    compute_and_fail(Smoke(call, []), ["lambda", "batch", "batch_callback"])


if __name__ == "__main__":
    main()
