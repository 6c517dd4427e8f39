"""Registered state machines, and how an execution of one is run."""

import random
import uuid
from collections.abc import Mapping

from hpc_local.clock import Clock
from hpc_local.execution.executions import Execution, Executions, Machine
from hpc_local.execution.frames import Cursor, Frame, Services
from hpc_local.execution.interpreter import run_program
from hpc_local.execution.limits import EXPRESS_SECONDS, within
from hpc_local.execution.program import Program, compile_program
from hpc_local.execution.state_types import WORK
from hpc_local.execution.task_tokens import TaskTokens
from hpc_local.integrations.registry import Integrations, UnsupportedResourceError
from hpc_local.language import Json
from hpc_local.language.definition import load
from hpc_local.language.scope import Scope
from hpc_local.maps.distributed_map import MapServices
from hpc_local.maps.result_writer import timestamp
from hpc_local.storage.executions import ExecutionRow, MachineRow, Store


class Machines:
    """State machines by ARN, with the executions that they have."""

    def __init__(self, store: Store, clock: Clock, integrations: Integrations, maps: MapServices) -> None:
        self._store = store
        self._clock = clock
        self._integrations = integrations
        self.tokens = TaskTokens()
        self._services = Services(
            clock=clock,
            integrations=integrations,
            maps=maps,
            tokens=self.tokens,
            random=random.Random(),
            work=WORK,
        )
        self._machines: dict[str, Machine] = {}
        self.map_runs = maps.map_runs
        self.executions = Executions(store, clock, self._run)

    def register(self, *, arn: str, name: str, machine_type: str, role_arn: str, definition: str) -> Machine:
        """Add a state machine, or give a known one a new definition; running executions keep theirs.

        Raises
        ------
        InvalidDefinition
            If the definition can't run here; names the place.
        """
        program = self._compile(definition)
        known = self._machines.get(arn)
        row = MachineRow(
            arn=arn,
            name=name,
            type=machine_type,
            role_arn=role_arn,
            definition=definition,
            revision_id=str(uuid.uuid4()),
            created=known.row.created if known else self._clock.time(),
        )
        machine = self._machines[arn] = Machine(row, program)
        self._store.save_machine(row)
        return machine

    def _compile(self, definition: str) -> Program:
        return compile_program(load(definition, self._check_resource).fields)

    def _check_resource(self, resource: str) -> str | None:
        try:
            self._integrations.find(resource)
        except UnsupportedResourceError as error:
            return str(error)
        return None

    def abort_orphans(self) -> int:
        """End what was running when its process died; return how many executions that were."""
        self.map_runs.abort_orphans(self._clock.time())
        return self.executions.abort_orphans()

    def find(self, arn: str) -> Machine | None:
        return self._machines.get(arn)

    def all(self) -> list[Machine]:
        """Return the machines by name."""
        return sorted(self._machines.values(), key=lambda machine: machine.row.name)

    async def _run(self, execution: Execution, payload: Json) -> Json:
        machine = execution.machine
        frame = Frame(
            services=self._services,
            machine_arn=machine.row.arn,
            machine_name=machine.row.name,
            role_arn=machine.row.role_arn,
            execution_arn=execution.row.arn,
            execution_id=execution.row.id,
            scope=Scope(_context(machine, execution.row, payload)),
        )
        seconds = machine.program.timeout_seconds
        if machine.is_express:
            seconds = min(seconds or EXPRESS_SECONDS, EXPRESS_SECONDS)
        cursor = Cursor(execution.history, execution.history.count)
        return await within(run_program(machine.program, payload, frame, cursor), seconds, self._clock)


def _context(machine: Machine, row: ExecutionRow, payload: Json) -> Mapping[str, Json]:
    return {
        "Execution": {
            "Id": row.arn,
            "Input": payload,
            "StartTime": timestamp(row.started),
            "Name": row.name,
            "RoleArn": machine.row.role_arn,
            "RedriveCount": row.redrive_count,
        },
        "StateMachine": {"Id": machine.row.arn, "Name": machine.row.name},
    }
