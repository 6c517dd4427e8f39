"""Remembers the file or folder of each run's workload, so that a redrive can tell whether it has changed."""

import json
from dataclasses import dataclass
from pathlib import Path

from hpc.json_objects import json_object
from hpc.targets.workload_file import WorkloadFile
from hpc.targets.workload_package import WorkloadPackage

FILE = "origins.jsonl"


@dataclass(frozen=True)
class Origin:
    """The file or folder, and the SHA-256 of what the run was given of it."""

    file: Path
    sha256: str


def note_origin(home: Path, run: str, workload: WorkloadFile | WorkloadPackage) -> None:
    """Write down what a run is about to be started with; nothing of functions, which are in no file of their own."""
    if workload.path is None:
        return
    line = json.dumps({"run": run, "file": str(workload.path), "sha256": workload.sha256})
    folder = home / "workloads"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def origin_of(home: Path, run: str) -> Origin | None:
    """Return what a run was given the last time; None if it was given nothing, or that is not known."""
    found = None
    try:
        with (home / "workloads" / FILE).open(encoding="utf-8", errors="replace") as file:
            for line in file:
                noted = json_object(line)
                if noted.get("run") == run and noted.keys() >= {"file", "sha256"}:
                    found = Origin(Path(str(noted["file"])), str(noted["sha256"]))
    except OSError:
        return None
    return found
