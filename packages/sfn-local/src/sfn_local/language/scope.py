"""Names that an expression can use besides its input: the context object and the workflow variables.

Differs from AWS: not known to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sfn_local.language import Json
from sfn_local.language.errors import AssignmentLimitError, StatesRuntimeError, VariableLimitError
from sfn_local.language.json_text import size_bytes

# Source: AWS documentation, "Passing data between states with variables", limits.
MAX_VARIABLE_BYTES = 262_144
MAX_ASSIGN_BYTES = 262_144
MAX_ALL_VARIABLES_BYTES = 10 * 1024 * 1024

NOTHING: Mapping[str, Json] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Scope:
    """Context object and variables at one moment of one execution, branch or iteration.

    Parameters
    ----------
    context : Mapping
        The context object, ``$$`` or ``$states.context``.
    variables : Mapping
        Every variable that can be read here, by name without ``$``.
    outer : Mapping
        Variables of an enclosing scope: they can be read but not assigned.
    bytes_at_most : int
        What the variables hold, or more: values that were replaced count until this nears the limit.
    """

    context: Mapping[str, Json]
    variables: Mapping[str, Json] = field(default_factory=lambda: NOTHING)
    outer: Mapping[str, Json] = field(default_factory=lambda: NOTHING)
    bytes_at_most: int = 0

    @property
    def _state(self) -> str:
        state = self.context.get("State")
        return str(state["Name"]) if isinstance(state, Mapping) else ""

    def with_context(self, context: Mapping[str, Json]) -> "Scope":
        """The same variables under another context object (another state, another attempt)."""
        return Scope(context, self.variables, self.outer, self.bytes_at_most)

    def enter(self, context: Mapping[str, Json]) -> "Scope":
        """Scope of a branch or an inline iteration: reads this one's variables, can't assign them."""
        return Scope(context, self.variables, self.variables, self.bytes_at_most)

    def assign(self, values: Mapping[str, Json]) -> "Scope":
        """A scope in which these variables are assigned.

        Raises
        ------
        StatesRuntimeError
            If a name belongs to an enclosing scope.
        AssignmentLimitError
            If one variable, this assignment, or all variables of the scope are over their limits.
        """
        if not values:
            return self
        assigned_bytes = _check_sizes(values, self._state)
        for name in values:
            if name in self.outer:
                raise StatesRuntimeError(f"The variable '{name}' belongs to an outer scope and cannot be assigned here")
        variables = {**self.variables, **values}
        total = self.bytes_at_most + assigned_bytes
        if total > MAX_ALL_VARIABLES_BYTES:
            total = sum(map(size_bytes, variables.values()))
        if total > MAX_ALL_VARIABLES_BYTES:
            raise AssignmentLimitError(
                f"Execution total variable size limit exceeded. State '{self._state}' assigned variables that exceed"
                f" the total execution limit by {total - MAX_ALL_VARIABLES_BYTES} bytes."
            )
        return Scope(self.context, variables, self.outer, total)


def _check_sizes(values: Mapping[str, Json], state: str) -> int:
    total = 0
    for name, value in values.items():
        size = size_bytes(value)
        total += size
        if size > MAX_VARIABLE_BYTES:
            raise VariableLimitError(
                f"Variable size limit exceeded. Variable '{name}' in state '{state}' was assigned {size} bytes."
            )
        if total > MAX_ASSIGN_BYTES:
            raise VariableLimitError(
                f"State total variable size limit exceeded. Variable '{name}' in state '{state}' was assigned {size}"
                " bytes, which caused the size of variables assigned in the state to exceed its limit by"
                f" {total - MAX_ASSIGN_BYTES} bytes."
            )
    return total
