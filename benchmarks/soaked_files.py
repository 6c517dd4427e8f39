"""What a home holds of its runs: the items whose results are on disk."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

SUCCEEDED = """
SELECT executions.name, children.position FROM children
JOIN map_runs ON children.map_run = map_runs.id JOIN executions ON map_runs.execution = executions.id
WHERE children.status = 'SUCCEEDED'
"""


class Committed:
    """The items of which a result is on disk, over all runs of a home."""

    def __init__(self, home: Path, bucket: str, back_end: str) -> None:
        self._home = home
        self._runs = home / "s3" / bucket / "runs"
        self._back_end = back_end
        self._batches: dict[str, list[list[int]]] = {}

    def items(self) -> set[int]:
        match self._back_end:
            case "lambda":
                return self._of_children()
            case "batch":
                return self._of_parts("batch")
            case _:
                # A job's part counts once its answer was accepted: then the run has a result.
                return self._of_parts("batch_callback") if list(self._runs.glob("*/result.json")) else set()

    def _of_children(self) -> set[int]:
        with closing(sqlite3.connect(self._home / "executions.sqlite")) as connection:
            rows = connection.execute(SUCCEEDED).fetchall()
        return {item for run, position in rows for item in self._of_batch(run, position)}

    def _of_parts(self, folder: str) -> set[int]:
        found = set()
        for part in self._runs.glob(f"*/{folder}/*.jsonl"):
            for line in part.read_text().splitlines():
                found |= set(self._of_batch(part.parents[1].name, json.loads(line)["batch"]))
        return found

    def _of_batch(self, run: str, number: int) -> list[int]:
        if run not in self._batches:
            self._batches[run] = self._read_batches(self._runs / run)
        return self._batches[run][number]

    def _read_batches(self, folder: Path) -> list[list[int]]:
        batches = [json.loads(line) for line in (folder / "batches.jsonl").read_text().splitlines()]
        ranges = [range(batch["first"], batch["first"] + batch["count"]) for batch in batches]
        if json.loads((folder / "run.json").read_text())["redrive_of"] is None:
            return [list(each) for each in ranges]
        lines = (folder / "items.jsonl").read_text().splitlines()
        indexes = [json.loads(line)["index"] for line in lines]
        return [[indexes[position] for position in each] for each in ranges]
