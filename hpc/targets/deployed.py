"""Settings that runs are billed by: memory and processor of functions, and whether jobs run on Spot.

On AWS the services tell; of a run on this machine the cloud assembly that was served last does.  Both tell what
there is now: nothing keeps what an older run had.
"""

import json
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol

from hpc.errors import LostRunError
from hpc.targets.client import Target, explained

# Source: CloudFormation reference, AWS::Lambda::Function: what a function has that names none.
DEFAULT_FUNCTION: dict[str, Any] = {"MemorySize": 128, "Architectures": ["x86_64"], "Timeout": 3}


@dataclass(frozen=True)
class FunctionSize:
    """Settings of a Lambda function."""

    memory_mib: int
    architecture: str
    timeout_seconds: float

    @classmethod
    def of(cls, settings: dict[str, Any]) -> "FunctionSize":
        """Read a template's properties, or the answer of GetFunctionConfiguration: both use the same names."""
        given = DEFAULT_FUNCTION | settings
        return cls(int(given["MemorySize"]), str(given["Architectures"][0]), float(given["Timeout"]))


class Deployed(Protocol):
    """Tells what there is; raises LostRunError if that can't be found out."""

    @abstractmethod
    def function(self, arn: str) -> FunctionSize: ...

    @abstractmethod
    def is_spot(self, queue: str) -> bool:
        """Whether the jobs of a queue, given by ARN, run on Fargate Spot."""


def deployed(target: Target) -> Deployed:
    """Return what tells of the stack."""
    return InAssembly(Path(target.assembly)) if target.is_local else OnAws(target)


class OnAws:
    """Asks Lambda and AWS Batch, about each once."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.function = lru_cache(None)(self._function)
        self.is_spot = lru_cache(None)(self._is_spot)

    @cached_property
    def _lambda(self) -> Any:
        return self._target.client("lambda")

    def _function(self, arn: str) -> FunctionSize:
        with explained(LostRunError, "asking for a function's memory"):
            return FunctionSize.of(self._lambda.get_function_configuration(FunctionName=arn))

    def _is_spot(self, queue: str) -> bool:
        with explained(LostRunError, "asking where jobs run"):
            [described] = self._target.batch.describe_job_queues(jobQueues=[queue])["jobQueues"]
            names = [each["computeEnvironment"] for each in described["computeEnvironmentOrder"]]
            found = self._target.batch.describe_compute_environments(computeEnvironments=names)["computeEnvironments"]
        return any(each["computeResources"]["type"] == "FARGATE_SPOT" for each in found)


class InAssembly:
    """Reads the templates of a cloud assembly, and where they lack something those of others beside it."""

    def __init__(self, assembly: Path) -> None:
        self._assembly = assembly

    @cached_property
    def _resources(self) -> dict[str, dict[str, Any]]:
        """Resources of all templates by their logical id; those of the assembly that was served last win."""
        paths = [*self._assembly.parent.glob("*/*.template.json"), *self._assembly.glob("*.template.json")]
        try:
            templates = [json.loads(path.read_text("utf-8")) for path in paths]
        except (OSError, ValueError) as error:
            raise LostRunError(f"the assembly {self._assembly} can't be read: {error}") from error
        return {name: resource for template in templates for name, resource in template.get("Resources", {}).items()}

    def function(self, arn: str) -> FunctionSize:
        name = arn.rpartition(":")[2]
        for logical_id, resource in self._resources.items():
            # The local server names a function after its stack and its logical id.
            if resource["Type"] == "AWS::Lambda::Function" and name.endswith(f"-{logical_id}"):
                return FunctionSize.of(resource["Properties"])
        raise LostRunError(f"the assembly {self._assembly} has no function {name}")

    def is_spot(self, queue: str) -> bool:  # noqa: ARG002 - a stack has one
        environments = [each for each in self._resources.values() if each["Type"] == "AWS::Batch::ComputeEnvironment"]
        return any(each["Properties"]["ComputeResources"]["Type"] == "FARGATE_SPOT" for each in environments)
