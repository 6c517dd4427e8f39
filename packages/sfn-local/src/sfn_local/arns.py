"""ARNs of state machines, executions and Map Runs, and names of child executions that carry their position.

Source of the forms: recorded executions; a child's ARN is ``execution:<machine>/<label>:<name>``, the last segment
of a Map Run's ARN is its UUID.
"""

import hashlib
import uuid
from dataclasses import dataclass

_POSITION_BYTES = 4


@dataclass(frozen=True, slots=True)
class Account:
    """The account and Region that local ARNs carry."""

    account_id: str = "000000000000"
    region: str = "us-east-1"

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account_id}:{resource}"


def state_machine_arn(account: Account, name: str) -> str:
    return account.arn("states", f"stateMachine:{name}")


def execution_arn(machine_arn: str, name: str) -> str:
    """ARN of an execution; ``machine_arn`` may be that of a Map Run's children."""
    return machine_arn.replace(":stateMachine:", ":execution:", 1) + f":{name}"


def express_execution_arn(machine_arn: str, name: str, start_id: uuid.UUID) -> str:
    """ARN of an Express execution, whose name need not be unique."""
    return machine_arn.replace(":stateMachine:", ":express:", 1) + f":{name}:{start_id}"


def map_run_arn(machine_arn: str, label: str, map_run_id: uuid.UUID) -> str:
    return machine_arn.replace(":stateMachine:", ":mapRun:", 1) + f"/{label}:{map_run_id}"


def child_machine_arn(machine_arn: str, label: str) -> str:
    return f"{machine_arn}/{label}"


def child_name(map_run_id: uuid.UUID, position: int) -> str:
    """Name of the child execution at ``position``: a UUID that only this Map Run can have issued.

    The last four bytes hold the position, masked, so that a child is found by its ARN without an index of names.
    """
    digest = hashlib.md5(map_run_id.bytes + position.to_bytes(8, "big"), usedforsecurity=False).digest()
    masked = position ^ _mask(map_run_id)
    return str(uuid.UUID(bytes=digest[:-_POSITION_BYTES] + masked.to_bytes(_POSITION_BYTES, "big"), version=3))


def child_position(map_run_id: uuid.UUID, name: str) -> int | None:
    """Position of the child called ``name`` in this Map Run, or None if it is none of its children."""
    try:
        tail = uuid.UUID(name).bytes[-_POSITION_BYTES:]
    except ValueError:
        return None
    position = int.from_bytes(tail, "big") ^ _mask(map_run_id)
    return position if child_name(map_run_id, position) == name else None


def _mask(map_run_id: uuid.UUID) -> int:
    return int.from_bytes(hashlib.md5(map_run_id.bytes, usedforsecurity=False).digest()[:_POSITION_BYTES], "big")
