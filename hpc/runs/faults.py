"""The faults under which runs were rehearsed on this machine, as the log of the local server has them."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hpc.json_objects import json_object

# A line for each run that was rehearsed and for each fault, below the folder of the local server.
LOG = Path("logs", "faults.jsonl")


def fault_counts_line(injected: Mapping[str, int]) -> str:
    """Return counts by kind as a person reads them."""
    return ", ".join(f"{count:,} {kind}" for kind, count in injected.items())


def faults_of(folder: Path, execution_arn: str) -> dict[str, Any] | None:
    """Return the faults under which one execution ran, as ``read_faults`` does; None if it ran under none."""
    return read_faults(folder, naming=execution_arn).get(execution_arn)


def read_faults(folder: Path, *, naming: str = "") -> dict[str, dict[str, Any]]:
    """Return the faults under which executions ran on this machine, in all of their redrives, by ARN.

    Shape of each::

        {"specs": [{"seed": int, "rules": [...]}, ...], "injected": {<kind>: int, ...}}

    Parameters
    ----------
    naming
        Lines of the log that don't have this text are passed over.
    """
    specs: defaultdict[str, list[Any]] = defaultdict(list)
    injected: defaultdict[str, Counter[str]] = defaultdict(Counter)
    with suppress(FileNotFoundError), (folder / LOG).open(encoding="utf-8") as file:
        # A line that a kill has cut off is no object.
        for entry in (json_object(line) for line in file if naming in line):
            for arn in {entry[name] for name in ("run", "within") if name in entry}:
                if "spec" in entry:
                    specs[arn] += [] if entry["spec"] in specs[arn][-1:] else [entry["spec"]]
                    injected[arn].update({rule["kind"]: 0 for rule in entry["spec"]["rules"]})
                else:
                    injected[arn][entry["kind"]] += 1
    return {arn: {"specs": each, "injected": dict(injected[arn])} for arn, each in specs.items()}
