"""One registered state machine."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from sfn_local.execution.program import Program
from sfn_local.storage.machine_store import MachineRow


@dataclass(frozen=True)
class Machine:
    """A state machine as it is stored, with its definition compiled when it is first run."""

    row: MachineRow
    compile: Callable[[MachineRow], Program]

    @cached_property
    def program(self) -> Program:
        """The definition, compiled.

        Raises
        ------
        InvalidDefinition
            If it can't run here, any more: what is registered has been compiled once.
        """
        return self.compile(self.row)

    @property
    def is_compiled(self) -> bool:
        """Whether `program` is there already."""
        return "program" in self.__dict__

    @property
    def is_express(self) -> bool:
        return self.row.type == "EXPRESS"
