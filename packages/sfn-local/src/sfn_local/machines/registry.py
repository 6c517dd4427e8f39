"""Registered state machines, and how an execution of one is run.

Source: recorded deletions: while executions run a state machine is DELETING, each of them fails at its next event, and
with the state machine its executions are gone.
"""

import asyncio
import json
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from sfn_local.clock import Clock
from sfn_local.execution.execution import Execution, Redrive
from sfn_local.execution.executions import Executions
from sfn_local.execution.express import check_express, why_not_express
from sfn_local.execution.frames import Cursor, Frame, Services
from sfn_local.execution.integrations import Integrations, UnsupportedResourceError
from sfn_local.execution.interpreter import run_program
from sfn_local.execution.limits import EXPRESS_SECONDS, within
from sfn_local.execution.machine import Machine
from sfn_local.execution.program import Program, compile_program
from sfn_local.execution.redrive import machine_of, not_redrivable_because
from sfn_local.execution.redrive_history import redrive_point
from sfn_local.execution.redrive_points import Completed, Interrupted
from sfn_local.execution.task_tokens import TaskTokens
from sfn_local.language import Json
from sfn_local.language.definition import InvalidDefinition, find_errors, load, over_limit
from sfn_local.language.errors import StatesRuntimeError
from sfn_local.language.evaluation import OverLimitError
from sfn_local.language.scope import Scope
from sfn_local.language.timestamps import timestamp
from sfn_local.machines.state_types import WORK
from sfn_local.maps.distributed_map import MapServices
from sfn_local.storage.execution_store import ExecutionRow
from sfn_local.storage.machine_store import MachineRow, MachineStore
from sfn_local.storage.store import Store

Result = TypeVar("Result")

# The text of a longer definition takes more than some milliseconds to read; it may have 1 MiB.
QUICK_DEFINITION_CHARACTERS = 8_192


class Machines:
    """State machines by ARN, with the executions that they have."""

    def __init__(self, store: Store, clock: Clock, integrations: Integrations, maps: MapServices) -> None:
        self._store = MachineStore(store)
        self._clock = clock
        self._integrations = integrations
        self.tokens = TaskTokens()
        self._services = Services(
            clock=clock,
            integrations=integrations,
            maps=maps,
            tokens=self.tokens,
            random=random.Random(),  # noqa: S311 - jitter of retries
            work=WORK,
        )
        self._machines: dict[str, Machine] = {}
        self.map_runs = maps.map_runs
        self.executions = Executions(store, clock, self._run)
        self.executions.on_end = self._finish_deletion

    def close(self) -> None:
        """End what is evaluated, at once: executions fail by it, or have been stopped."""
        self._services.evaluation.close()

    def load(self) -> None:
        """Register the state machines that were made through the API, and finish deletions that were under way."""
        for row in self._store.made_by_api():
            if row.is_deleting:
                self._store.delete(row.arn)
            else:
                self._machines[row.arn] = Machine(row, self.compile)

    def register(self, *, arn: str, name: str, machine_type: str, role_arn: str, definition: str) -> Machine:
        """Add a state machine of a stack; one that is as it was keeps its revision.

        Raises
        ------
        InvalidDefinition
            If the definition can't run here; names the place.
        """
        known = self._store.find(arn)
        now = self._clock.time()
        row = MachineRow(
            arn=arn,
            name=name,
            type=machine_type,
            role_arn=role_arn,
            definition=definition,
            revision_id=known.revision_id if known else "",
            created=known.created if known else now,
            updated=known.updated if known else now,
            is_of_stack=True,
        )
        if known and replace(known, is_of_stack=True, is_deleting=False, settings={}) != row:
            row = replace(row, revision_id=str(uuid.uuid4()), updated=now)
        machine = self._checked(row)
        self._machines[arn] = machine
        self._store.save(row)
        return machine

    async def create(self, row: MachineRow) -> Machine:
        """Add a state machine; it is on disk when this returns.

        Raises
        ------
        InvalidDefinition
            If the definition can't run here; names the place.
        StorageError
            If it can't be written down.
        """
        program = await self.compiled(row)
        machine = self._machines[row.arn] = Machine(row, lambda _row: program)
        await asyncio.wrap_future(self._store.save(row))
        return machine

    async def update(self, machine: Machine, **changes: Any) -> Machine:
        """Change a state machine; running executions keep what they started with.  Raises what ``create`` raises."""
        changed = replace(machine.row, **changes)
        if changed == machine.row:
            return machine
        return await self.create(replace(changed, revision_id=str(uuid.uuid4()), updated=self._clock.time()))

    async def tag(self, machine: Machine, tags: Mapping[str, str]) -> None:
        """Replace a state machine's tags, which are no part of its revision."""
        await self.create(replace(machine.row, settings={**machine.row.settings, "tags": dict(tags)}))

    async def delete(self, machine: Machine) -> None:
        """Delete a state machine, with its executions, as soon as none of them runs."""
        await self.create(replace(machine.row, is_deleting=True))
        arn = machine.row.arn
        self.executions.refuse_events(arn, f"State machine {machine.row.name} has been deleted")
        self._finish_deletion(arn)

    def _finish_deletion(self, arn: str) -> None:
        machine = self._machines.get(arn)
        if machine and machine.row.is_deleting and not self.executions.has_running(arn):
            del self._machines[arn]
            self.executions.forget(arn)
            self._store.delete(arn)

    def _checked(self, row: MachineRow) -> Machine:
        program = self.compile(row)
        return Machine(row, lambda _row: program)

    async def compiled(self, row: MachineRow) -> Program:
        """Check and compile a definition, a long one beside the event loop; raises what ``compile`` raises."""
        return await self._beside(row, lambda: self.compile(row))

    def compile(self, row: MachineRow) -> Program:
        """Check and compile a definition.

        Raises
        ------
        InvalidDefinition
            If it can't run here; names the place.
        """
        definition = load(row.definition, self._resource_check(row))
        if row.type == "EXPRESS":
            check_express(definition)
        try:
            return compile_program(definition)
        except OverLimitError as error:
            raise over_limit(error) from None

    async def definition_errors(self, row: MachineRow) -> list[InvalidDefinition]:
        """Return what is wrong with a definition, one error a state."""
        return await self._beside(row, lambda: self._definition_errors(row))

    def _definition_errors(self, row: MachineRow) -> list[InvalidDefinition]:
        errors = find_errors(row.definition, self._resource_check(row))
        if not errors:
            try:
                self.compile(row)
            except InvalidDefinition as error:
                return [error]
        return errors

    def _resource_check(self, row: MachineRow) -> Callable[[str], str | None]:
        if row.type != "EXPRESS":
            return self._check_resource
        return lambda resource: why_not_express(resource) or self._check_resource(resource)

    def _check_resource(self, resource: str) -> str | None:
        try:
            self._integrations.find(resource)
        except UnsupportedResourceError as error:
            return str(error)
        return None

    def abort_orphans(self) -> None:
        """End what was running when its process died."""
        self.map_runs.abort_orphans(self._clock.time())
        self.executions.abort_orphans()

    def why_not_redrivable(self, row: ExecutionRow) -> str | None:
        """Return why an execution can't be redriven, in the service's words; None if it can."""
        machine = self._machines.get(row.machine_arn)
        has_ended = row.status not in ("RUNNING", "SUCCEEDED")
        return not_redrivable_because(
            row,
            now=self._clock.time(),
            event_count=self.executions.event_count(row) if has_ended else 0,
            is_deleting=bool(machine and machine.row.is_deleting),
        )

    async def redrive(self, row: ExecutionRow, token: str) -> ExecutionRow:
        """Run an execution again, from where it ended, with the definition that it was started with.

        Raises
        ------
        InvalidDefinition
            If that can't run here any more.
        StorageError
            If it can't be written down; then the execution stays as it is.
        """
        redriven = machine_of(row, self.definition(row))
        program = await self.compiled(redriven)
        machine = Machine(redriven, lambda _row: program)
        events = self.executions.stored_events(row)
        redrive = Redrive(redrive_point(machine.program, events), self.executions.event_count(row), token)
        return (await self.executions.redrive(machine, row, redrive)).row

    def now(self) -> float:
        return self._clock.time()

    def find(self, arn: str) -> Machine | None:
        return self._machines.get(arn)

    def definition(self, row: ExecutionRow) -> str:
        """Return the definition that an execution was started with."""
        return self._store.definition(row.definition)

    def all(self) -> list[Machine]:
        """Return the machines by name."""
        return sorted(self._machines.values(), key=lambda machine: machine.row.name)

    async def _run(self, execution: Execution, payload: Json) -> Json:
        machine = execution.machine
        program = await self._program(machine)
        frame = Frame(
            services=self._services,
            machine_arn=machine.row.arn,
            machine_name=machine.row.name,
            role_arn=machine.row.role_arn,
            execution_arn=execution.row.arn,
            execution_id=execution.row.id,
            scope=Scope(_context(machine, execution.row, payload)),
        )
        seconds = program.timeout_seconds
        if machine.is_express:
            seconds = min(seconds or EXPRESS_SECONDS, EXPRESS_SECONDS)
        cursor = Cursor(execution.history)
        point = execution.redrive.point if execution.redrive else None
        if isinstance(point, Completed):
            return json.loads(point.output)
        resumed = point if isinstance(point, Interrupted) else None
        return await within(run_program(program, payload, frame, cursor, resumed), seconds, self._clock)

    async def _program(self, machine: Machine) -> Program:
        """The program of a state machine, compiled beside the event loop if that takes long and it was not run yet."""
        if machine.is_compiled:
            return machine.program
        try:
            return await self._beside(machine.row, lambda: machine.program)
        except InvalidDefinition as error:  # it was made by another version of this program, or damaged since
            raise StatesRuntimeError(f"The definition can't run here any more: {error}") from None

    async def _beside(self, row: MachineRow, work: Callable[[], Result]) -> Result:
        """Work on a definition without holding the event loop."""
        is_long = len(row.definition) > QUICK_DEFINITION_CHARACTERS
        return await self._services.evaluation.compile(work, is_long=is_long)


def _context(machine: Machine, row: ExecutionRow, payload: Json) -> Mapping[str, Json]:
    described = {
        "Id": row.arn,
        "Input": payload,
        "StartTime": timestamp(row.started),
        "Name": row.name,
        "RoleArn": machine.row.role_arn,
        "RedriveCount": row.redrive_count,
    }
    if row.redriven is not None:
        described["RedriveTime"] = timestamp(row.redriven)
    return {
        "Execution": described,
        "StateMachine": {"Id": machine.row.arn, "Name": machine.row.name},
    }
