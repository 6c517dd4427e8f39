"""Map Runs: counts, settings and state of what a Distributed Map started, live or from the store."""

import asyncio
import heapq
import itertools
import uuid
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sfn_local.arns import child_machine_arn, child_position, map_run_arn
from sfn_local.execution.history import History
from sfn_local.execution.redrive import REDRIVABLE_EVENTS, REDRIVABLE_SECONDS
from sfn_local.language.errors import StatesRuntimeError
from sfn_local.maps.counts import Counts
from sfn_local.maps.waiting import Waiting
from sfn_local.storage.child_log import ChildLog
from sfn_local.storage.map_run_store import ChildFilter, ChildRecord, ChildRow, MapRunRow, MapRunStore

# Source: Step Functions quotas: the most children of one Map Run that run in parallel.
MAX_CONCURRENCY = 10_000
# Source: Step Functions quotas: redrives of one Map Run.
MAX_REDRIVES = 1_000


class LiveChild(NamedTuple):
    """A child execution that runs."""

    position: int
    started: float
    item_count: int
    input: str
    history: History
    redrive_count: int
    redriven: float | None


class MapRun:
    """One running Map Run.

    Attributes
    ----------
    known_children, known_items : int
        How many have been read; the totals once ``is_read`` is set.
    live : dict
        The children that run, by position.
    """

    def __init__(self, row: MapRunRow, store: MapRunStore) -> None:
        self.row = row
        self.uuid = uuid.UUID(row.uuid)
        self.log = ChildLog(store, row.id)
        self._store = store
        self.children = Counts()
        self.items = Counts()
        self.known_children = 0
        self.known_items = 0
        self.is_read = False
        self.live: dict[int, LiveChild] = {}
        self.changed = asyncio.Event()  # a child has ended, or a setting was changed

    def note_read(self) -> None:
        """Note that there are no more inputs, on disk too: then a later process knows how many were left."""
        self.is_read = True
        self.row = replace(self.row, is_read=True, total_children=self.known_children, total_items=self.known_items)
        self._store.save(replace(self.row, started_children=self.log.started_children))

    def note_dataset(self, version: str | None) -> None:
        """Note what tells the dataset from a changed one, on disk before any child is."""
        self.row = replace(self.row, dataset=version)
        self._store.save(replace(self.row, started_children=self.log.started_children))

    def note_results(self, success_files: str, covered_segment: int, count: int) -> None:
        """Note what the result files hold; see :class:`MapRunRow`."""
        self.row = replace(
            self.row, success_files=success_files, covered_segment=covered_segment, results_written=count
        )

    def note_returned_results(self) -> None:
        """Count the results that go to the state instead of files, as recorded."""
        self.row = replace(self.row, results_written=self.children.recorded)

    def note_known(self, item_count: int) -> None:
        """Count an input that has been read; once all have been, nothing is new."""
        if not self.is_read:
            self.known_children += 1
            self.known_items += item_count

    def started(self, waiting: Waiting) -> None:
        for counts, size in ((self.children, 1), (self.items, waiting.child.item_count)):
            counts.running += size
            if waiting.record is not None:
                counts.pending_redrive -= size
        self.log.started_children = max(self.log.started_children, waiting.position + 1)

    def ended(self, record: ChildRecord) -> None:
        """Count and store a child that has ended."""
        for counts, size in ((self.children, 1), (self.items, record.item_count)):
            counts.running -= size
            counts.ended[record.status] += size
        self.live.pop(record.position, None)
        self.log.add(record)

    async def update(self, **settings: Any) -> None:
        """Change ``max_concurrency`` or a tolerance; it holds at once, and is on disk when this returns."""
        self.row = replace(self.row, **settings)
        self.changed.set()
        await asyncio.wrap_future(self._store.save(replace(self.row, started_children=self.log.started_children)))

    def is_threshold_exceeded(self) -> bool:
        """Whether more items failed than are tolerated; a percentage is judged once the number of items is known."""
        failed, row = self.items.failed, self.row
        if not failed:
            return False
        if not row.tolerated_failure_count and not row.tolerated_failure_percentage:
            return True
        if row.tolerated_failure_count and failed > row.tolerated_failure_count:
            return True
        percentage = row.tolerated_failure_percentage
        return bool(percentage) and self.is_read and failed * 100 > percentage * self.known_items

    def unstored(self, wanted: ChildFilter, limit: int) -> list[ChildRow]:
        """Return children that the store does not know as they are, that of the highest position first."""
        running = (
            ChildRow(live.position, "RUNNING", live.started, None, live.item_count, live.redrive_count, live.redriven)
            for live in self.live.values()
        )
        ended = (ChildRow(*record[:5], record.redrive_count, record.redriven) for record in self.log.unstored.values())
        return heapq.nlargest(limit, filter(wanted.matches, itertools.chain(running, ended)))


@dataclass(frozen=True, slots=True)
class MapRunView:
    """Return the answer of DescribeMapRun."""

    row: MapRunRow
    item_counts: dict[str, int]
    execution_counts: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRunSettings:
    """Settings of a Map Run from its Distributed Map state, paths resolved."""

    label: str
    child_type: str
    max_concurrency: int
    tolerated_failure_count: int
    tolerated_failure_percentage: float


class MapRuns:
    """All Map Runs of this home."""

    def __init__(self, store: MapRunStore, next_id: Any) -> None:
        self.store = store
        self._next_id = next_id
        self.running: dict[str, MapRun] = {}

    def create(self, settings: MapRunSettings, *, machine_arn: str, execution_id: int, now: float) -> MapRun:
        """Start a Map Run of the execution with this id."""
        map_run_id = uuid.uuid4()
        row = MapRunRow(
            id=self._next_id(),
            arn=map_run_arn(machine_arn, settings.label, map_run_id),
            uuid=str(map_run_id),
            execution=execution_id,
            child_machine_arn=child_machine_arn(machine_arn, settings.label),
            child_type=settings.child_type,
            status="RUNNING",
            started=now,
            max_concurrency=settings.max_concurrency,
            tolerated_failure_count=settings.tolerated_failure_count,
            tolerated_failure_percentage=settings.tolerated_failure_percentage,
        )
        self.store.save(row)
        map_run = self.running[row.arn] = MapRun(row, self.store)
        return map_run

    def redrive(self, row: MapRunRow, now: float) -> MapRun:
        """Run a Map Run again.

        Raises
        ------
        StatesRuntimeError
            If it has been redriven as often as the service allows.
        """
        if row.redrive_count >= MAX_REDRIVES:
            raise StatesRuntimeError(f"The Map Run has reached the maximum number of redrives ({MAX_REDRIVES}).")
        again = replace(row, status="RUNNING", stopped=None, redrive_count=row.redrive_count + 1, redriven=now)
        map_run = MapRun(replace(again, results_written=0), self.store)
        map_run.log.started_children = row.started_children
        map_run.children, map_run.items = (counts.redriven() for counts in self._stored_counts(row, now))
        map_run.is_read = bool(row.is_read)
        map_run.known_children = (row.is_read and row.total_children) or map_run.children.known
        map_run.known_items = (row.is_read and row.total_items) or map_run.items.known
        self.store.save(map_run.row)
        self.running[row.arn] = map_run
        return map_run

    def _stored_counts(self, row: MapRunRow, now: float) -> tuple[Counts, Counts]:
        children, items = Counts(), Counts()
        for status, (child_count, item_count) in self.store.counts(row.id).items():
            children.ended[status] = child_count
            items.ended[status] = item_count
        final = self.store.not_redrivable(row.id, now - REDRIVABLE_SECONDS, REDRIVABLE_EVENTS)
        children.not_redrivable, items.not_redrivable = final
        return children, items

    def close(self, map_run: MapRun, status: str, now: float) -> None:
        """Note how a Map Run ended."""
        del self.running[map_run.row.arn]
        map_run.row = replace(
            map_run.row,
            status=status,
            stopped=now,
            started_children=map_run.log.started_children,
            total_children=map_run.known_children,
            total_items=map_run.known_items,
        )
        self.store.save(map_run.row)

    def of_execution(self, execution_id: int) -> list[MapRunRow]:
        """Return the Map Runs of one execution, oldest first."""
        rows = {row.arn: row for row in self.store.of_execution(execution_id)}
        rows.update({run.row.arn: run.row for run in self.running.values() if run.row.execution == execution_id})
        return sorted(rows.values(), key=lambda row: row.id)

    def find(self, arn: str) -> MapRunRow | None:
        live = self.running.get(arn)
        return live.row if live else self.store.find(arn)

    def view(self, arn: str, now: float) -> MapRunView | None:
        """Return a Map Run with its counts, or None if there is none of that ARN."""
        live = self.running.get(arn)
        if live:
            return MapRunView(
                live.row,
                live.items.item_counts(live.known_items, 0),
                live.children.item_counts(live.known_children, 0),
            )
        row = self.store.find(arn)
        if row is None:
            return None
        children, items = self._stored_counts(row, now)
        total_children = row.total_children if row.total_children is not None else children.started
        total_items = row.total_items if row.total_items is not None else items.started
        return MapRunView(
            row,
            items.item_counts(total_items, row.results_written),
            children.item_counts(total_children, row.results_written),
        )

    def children(self, row: MapRunRow, wanted: ChildFilter, limit: int) -> list[ChildRow]:
        """Return children of a Map Run, that of the highest position first."""
        live = self.running.get(row.arn)
        if live is None:
            return self.store.ended(row.id, wanted, limit)
        newer = live.live.keys() | live.log.unstored.keys()
        stored = self.store.ended(row.id, wanted, limit + len(newer))
        found = [child for child in stored if child.position not in newer]
        return heapq.nlargest(limit, [*found, *live.unstored(wanted, limit)])

    def find_child(self, child_machine: str, name: str) -> tuple[MapRunRow, ChildRecord | LiveChild] | None:
        """Return the child execution of this name, of whichever Map Run it is."""
        unstored = (run.row for run in self.running.values() if run.row.child_machine_arn == child_machine)
        for row in itertools.chain(unstored, self.store.of_child_machine(child_machine)):
            position = child_position(uuid.UUID(row.uuid), name)
            child = self._child(row, position) if position is not None else None
            if child is not None:
                return row, child
        return None

    def _child(self, row: MapRunRow, position: int) -> ChildRecord | LiveChild | None:
        live = self.running.get(row.arn)
        if live:
            known = live.live.get(position) or live.log.unstored.get(position)
            if known is not None:
                return known
        return self.store.child(row.id, position)

    def abort_orphans(self, now: float) -> None:
        """End the Map Runs whose process died; children in flight have no row and count as pending."""
        self.store.abort_running(now)
