"""A rehearsal: which attempts are hit, drawn from the seed, and how often each rule was.

A draw is a hash of seed, rule, path, attempt and redrive: the same whatever the order in which children run.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sfn_local.faults.service_errors import service_failure
from sfn_local.faults.spec import FaultSpec, Rule
from sfn_local.faults.states import check_states, service_of
from sfn_local.language import Json
from sfn_local.language.errors import StatesError

# A process that is killed is killed within this time of its start.
KILL_WITHIN_SECONDS = 0.1

Hit = tuple[int, Rule]
"""A rule that applies, with its number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAttempt:
    """One attempt at a Task, as far as it decides about faults.

    Attributes
    ----------
    execution_arn, run_arn : str
        The execution, and the top-level one that it is or is a child of.
    root : int
        Row of that in the store.
    redrives : int
        How often that was redriven.
    position : tuple of int
        Positions of the child execution in its Map Run and of each enclosing one in its own; the inner Map last.
    item : int or None
        Index in the innermost Map.
    number : int
        Number of the attempt, from 1, since its branch began.
    waits_for_token : bool
        Whether something else than the call's answer ends it.
    """

    state: str
    resource: str
    execution_arn: str
    run_arn: str
    root: int
    redrives: int
    position: tuple[int, ...]
    item: int | None
    number: int
    waits_for_token: bool


class FaultInjector:
    """Injects the faults of a spec into one server.  Counts may be read from other threads.

    Parameters
    ----------
    kill : callable
        Ends this process at once.
    """

    def __init__(self, spec: FaultSpec, *, kill: Callable[[], None] | None = None) -> None:
        self.spec = spec
        self._kill = kill or _kill_this_process
        self._rules: dict[str, list[Hit]] = {}
        for number, rule in enumerate(spec.rules, start=1):
            self._rules.setdefault(rule.state, []).append((number, rule))
        self._taken: Counter[tuple[Any, ...]] = Counter()
        self._injected: Counter[int] = Counter()
        self._lock = threading.Lock()
        self._log: IO[str] | None = None
        self._marked: set[str] = set()

    @property
    def injected(self) -> Mapping[str, int]:
        """Number of injected faults by kind; kinds of the spec that have not happened are 0."""
        counts = self.injected_by_rule()
        kinds: dict[str, int] = {}
        for rule, count in zip(self.spec.rules, counts, strict=True):
            kinds[rule.kind] = kinds.get(rule.kind, 0) + count
        return kinds

    def injected_by_rule(self) -> list[int]:
        """Number of times that each rule has applied, in the spec's order."""
        with self._lock:
            return [self._injected[number] for number in range(1, len(self.spec.rules) + 1)]

    def check(self, definitions: Iterable[Mapping[str, Any]]) -> None:
        """Refuse a spec that these state machines can't follow; raises :class:`FaultSpecError`."""
        check_states(self.spec, definitions)

    @contextlib.contextmanager
    def logged(self, path: Path) -> Iterator[None]:
        """Append to a file a line for each run that is rehearsed, and one for each fault.

        ::

            {"run": <ARN>, "within": <ARN>, "spec": {...}}
            {"run", "within", "rule": <number>, "kind", "state", "execution": <ARN>, "item", "attempt", "redrive"}

        ``within`` is the run whose task, or whose task's task and so on, started this one; the run itself if none did.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        is_cut_off = _is_cut_off(path)
        with path.open("a", encoding="utf-8") as file:
            file.write("\n" if is_cut_off else "")
            self._log = file
            try:
                yield
            finally:
                self._log = None

    @contextlib.contextmanager
    def attempt(self, task: TaskAttempt) -> Iterator["Attempt"]:
        """Open an attempt; what runs inside, and what that starts, belongs to it."""
        attempt = Attempt(self, task, CURRENT.get(), self._rules.get(task.state, []))
        if task.run_arn not in self._marked:
            self._marked.add(task.run_arn)
            self._write(run=task.run_arn, within=attempt.outermost_arn, spec=self.spec.to_json())
        token = CURRENT.set(attempt)
        try:
            yield attempt
        finally:
            CURRENT.reset(token)

    def applies(self, hit: Hit, path: tuple[Any, ...], place: tuple[Any, ...], item: int | None) -> bool:
        """Whether a rule applies; one that counts times counts this as one of them.

        Parameters
        ----------
        path
            What tells this attempt from every other one.
        place
            The same for all attempts of one item.
        """
        number, rule = hit
        if rule.percentage is not None:
            return draw(self.spec.seed, number, *path) * 100 < rule.percentage
        if rule.items is not None and item not in rule.items:
            return False
        if rule.times is None:
            return True
        key = (number, *place, item if rule.items is not None else None)
        self._taken[key] += 1
        return self._taken[key] <= rule.times

    def note(self, hit: Hit, attempt: "Attempt", item: int | None) -> None:
        """Count a fault that happens now."""
        (number, rule), task = hit, attempt.task
        with self._lock:
            self._injected[number] += 1
        self._write(
            run=task.run_arn,
            within=attempt.outermost_arn,
            rule=number,
            kind=rule.kind,
            state=rule.state,
            execution=task.execution_arn,
            item=item,
            attempt=task.number,
            redrive=task.redrives,
        )

    def _write(self, **line: Any) -> None:
        if self._log is not None:
            self._log.write(f"{json.dumps(line)}\n")
            self._log.flush()

    def kill_runner(self) -> None:
        self._kill()


class Attempt:
    """One attempt at a Task under a rehearsal; ``outer`` is the attempt whose task started this execution."""

    def __init__(self, injector: FaultInjector, task: TaskAttempt, outer: "Attempt | None", rules: list[Hit]) -> None:
        self.task = task
        self.has_job = False
        self.invocation_count = 0
        self.injector = injector
        self._rules = rules
        own = (task.state, *task.position)
        # Redrives are the outermost execution's: an inner one of a redriven task is new and has none.
        root, outer_path, outer_place = (task.root, (), ()) if outer is None else (outer.root, outer.path, outer.place)
        redrives = () if task.redrives == 0 else ("redrive", task.redrives)
        self.root: int = root
        self.outermost_arn: str = task.run_arn if outer is None else outer.outermost_arn
        self.path: tuple[Any, ...] = (*outer_path, *own, task.number, *redrives)
        self.place: tuple[Any, ...] = (*outer_place, *own)

    def hit_by(self, *kinds: str, unit: tuple[Any, ...] = (), item: int | None = None) -> Hit | None:
        """Return the first rule of these kinds that applies, to the whole attempt or to a unit of it."""
        item = self.task.item if item is None else item
        place = (self.root, *self.place)
        for hit in self._rules:
            if hit[1].kind in kinds and self.injector.applies(hit, (*self.path, *unit), place, item):
                return hit
        return None

    def note(self, hit: Hit, item: int | None = None) -> None:
        self.injector.note(hit, self, self.task.item if item is None else item)

    def draw(self, hit: Hit, *unit: Any) -> float:
        """A number from 0 to 1 that belongs to this attempt, whether the rule applies or not."""
        return draw(self.injector.spec.seed, hit[0], "moment", *self.path, *unit)

    async def begin(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Be late, or fail as a service that does not take the call; raises :class:`StatesError`."""
        slow = self.hit_by("slow")
        if slow is not None:
            self.note(slow)
            await sleep(slow[1].seconds)
        refused = self.hit_by("throttle", "service_error")
        if refused is not None:
            self.note(refused)
            raise service_failure(service_of(self.task.resource), refused[1].kind)

    async def perform(self, call: Callable[[], Awaitable[Json]]) -> Json:
        """Make the call, twice perhaps; or be killed meanwhile, with everything else that runs here."""
        killed = self.hit_by("kill_runner")
        if killed is not None:
            doing = asyncio.ensure_future(call())
            await asyncio.wait([doing], timeout=self.draw(killed) * KILL_WITHIN_SECONDS)
            self.note(killed)
            self.injector.kill_runner()
            return await doing
        twice = self.hit_by("duplicate")
        if twice is not None:
            self.note(twice)
            with contextlib.suppress(StatesError):
                await call()
        return await call()

    def output(self, result: Json) -> Json:
        """Return the result, or what stands in its place."""
        replaced = self.hit_by("wrong_output")
        if replaced is None:
            return result
        self.note(replaced)
        return replaced[1].output


# The attempt that what runs now belongs to.
CURRENT: ContextVar[Attempt | None] = ContextVar("rehearsed_attempt", default=None)


@contextlib.contextmanager
def outside() -> Iterator[None]:
    """Inside this context, calls belong to no attempt."""
    token = CURRENT.set(None)
    try:
        yield
    finally:
        CURRENT.reset(token)


def draw(*parts: Any) -> float:
    """Return a number from 0, included, to 1, excluded, that depends on nothing but these parts."""
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _is_cut_off(path: Path) -> bool:
    """Whether the last line of a file has no end: its writer was killed."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


def _kill_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
