"""Builds docs/fidelity.md from the code: `python tests/unit/fidelity_page.py` writes it, a test compares."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from hpc_local import lambda_function
from hpc_local.arns import Account
from hpc_local.batch import resources, scheduler, store
from hpc_local.batch.service import ACTIONS as BATCH_ACTIONS
from hpc_local.execution import history, limits, parallel
from hpc_local.integrations.batch_job import batch_tasks
from hpc_local.integrations.catalog import service_tasks
from hpc_local.integrations.lambda_function import FunctionTask, InvokeTask
from hpc_local.integrations.parameters import service_model
from hpc_local.integrations.registry import Integrations
from hpc_local.lambda_runtime import LambdaRuntime
from hpc_local.language import definition, json_text, scope, value_checks
from hpc_local.language.choice import OPERATORS
from hpc_local.language.fields import JSONATA, JSONPATH, OBJECT_FIELDS, STATE_FIELDS, Field
from hpc_local.language.intrinsic_functions import FUNCTIONS
from hpc_local.maps import item_reader, map_run, result_writer
from hpc_local.states_api.service import ACTIONS

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "fidelity.md"

_INTRODUCTION = """# What the local runner does as AWS does, and what not

This page is built from the code by `tests/unit/fidelity_page.py`, and a test compares the two.
What a definition asks for and the runner can't do is refused when the definition is loaded, by the name of the field.
"""

_NOT_CONFIRMED = """## Not confirmed

Executions recorded from AWS are the judge of the runner (`tests/conformance`). Where there are few or none, these
follow AWS's documentation and recorded result files, and may differ:

| What | Recorded executions |
|---|---|
| `.waitForTaskToken`, SendTask\\*, HeartbeatSeconds of a task with a token | none |
| a failed request of a `.sync` or `.waitForTaskToken` task: the event is TaskFailed | none |
| `states:startExecution.sync` | 3 |
| `states:startExecution.sync:2` | 1 |
| ItemBatcher | 4 |
| ResultWriter | 6 |
| ItemReader of JSON objects: a child is given `{"Key": ..., "Value": ...}` | none |
| children that fail within the tolerance of a Map without ResultWriter: their records stand in the output | none |
| redrive | none |
| AWS Batch | none |

## Recorded executions that end differently

None is known. A case that does is named here, with the reason.
"""


def page() -> str:
    parts = [_INTRODUCTION, *_language(), *_functions(), _integrations(), _actions(), _limits(), _differences()]
    return "\n".join([*parts, _NOT_CONFIRMED])


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _language() -> Iterator[str]:
    yield "## Amazon States Language\n"
    for name, fields in {**STATE_FIELDS, **OBJECT_FIELDS}.items():
        title = f"{name} state" if name in STATE_FIELDS else name
        yield f"### {title[0].upper()}{title[1:]}\n\n" + _table(
            ("Field", "Query language", "Here"), [_field_row(field) for field in fields]
        )


def _field_row(field: Field) -> tuple[str, ...]:
    language = {JSONPATH: "JSONPath", JSONATA: "JSONata"}.get(field.language, "both")
    return f"`{field.name}`", language, f"refused: {field.refused}" if field.refused else "yes"


def _functions() -> Iterator[str]:
    operators = ", ".join(f"`{name}`" for name in sorted(OPERATORS))
    yield f"### Comparison operators of a Choice\n\n{len(OPERATORS)}, and `And`, `Or`, `Not`: {operators}.\n"
    names = ", ".join(f"`States.{name}`" for name in sorted(FUNCTIONS))
    yield f"### Intrinsic functions\n\n{len(FUNCTIONS)}: {names}.\n"


class _Nothing:
    """Stands for a service whose integrations are only named."""

    async def handle(self, action: str, params: dict[str, object], principal: str) -> dict[str, object]:
        raise NotImplementedError(action)


def integrations() -> list[str]:
    """Return the names of every integration, as a Resource has them."""
    runtime = LambdaRuntime(worker_count=1, log_folder=PROJECT, base_environment={})
    found = Integrations(FunctionTask(runtime), {"lambda:invoke": InvokeTask(runtime, Account())})
    found.add(batch_tasks(None, ""))  # type: ignore[arg-type]  # only named
    found.add(service_tasks(s3=_Nothing(), states=_Nothing(), executions=None))  # type: ignore[arg-type]  # only named
    return found.names


def _integrations() -> str:
    rows = [("ARN of a Lambda function", "yes")]
    rows += [(f"`arn:aws:states:::{name}`", "yes") for name in integrations()]
    rows += [("every other resource", "refused")]
    return "## Integrations\n\n" + _table(("Resource", "Here"), rows)


def _actions() -> str:
    operations = sorted(service_model("stepfunctions").operation_names)
    rows = [(f"`{name}`", "yes" if name in ACTIONS else "refused") for name in operations]
    batch = [(f"`{name}`",) for name in BATCH_ACTIONS]
    return (
        "## Actions of the Step Functions API\n\n"
        + _table(("Action", "Here"), rows)
        + "\n## Actions of the AWS Batch API\n\nEvery other one is refused.\n\n"
        + _table(("Action",), batch)
    )


_LIMITS: Mapping[str, tuple[float, str]] = {
    "input or output of a state, task or execution": (json_text.MAX_PAYLOAD_BYTES, "bytes"),
    "definition": (definition.MAX_DEFINITION_BYTES, "bytes"),
    "history of a Standard execution": (history.MAX_EVENTS, "events"),
    "Express execution": (limits.EXPRESS_SECONDS, "seconds"),
    "name of a state": (value_checks.MAX_NAME_CHARACTERS, "characters"),
    "Label": (value_checks.MAX_LABEL_CHARACTERS, "characters"),
    "one variable": (scope.MAX_VARIABLE_BYTES, "bytes"),
    "one Assign": (scope.MAX_ASSIGN_BYTES, "bytes"),
    "all variables": (scope.MAX_ALL_VARIABLES_BYTES, "bytes"),
    "MaxAttempts": (value_checks.MAX_ATTEMPTS, ""),
    "IntervalSeconds": (value_checks.MAX_INTERVAL_SECONDS, "seconds"),
    "MaxDelaySeconds": (value_checks.MAX_DELAY_SECONDS, "seconds"),
    "iterations of an inline Map at once": (parallel.INLINE_CONCURRENCY, ""),
    "children of a Map Run at once": (map_run.MAX_CONCURRENCY, ""),
    "items of a Map Run": (item_reader.MAX_ITEMS, ""),
    "a result file, before the next is begun": (result_writer.MAX_FILE_BYTES, "bytes"),
    "children of an array job": (resources.ARRAY_SIZES[-1], ""),
    "overrides of a job": (resources.MAX_OVERRIDES_BYTES, "bytes"),
    "a job from SIGTERM to SIGKILL": (scheduler.GRACE_SECONDS, "seconds"),
    "jobs that are remembered": (store.MAX_KEPT_JOBS, ""),
    "response of a Lambda function": (lambda_function.MAXIMUM_RESPONSE_BYTES, "bytes"),
}


def _limits() -> str:
    rows = [(name, f"{value:,}", unit) for name, (value, unit) in _LIMITS.items()]
    return "## Limits\n\n" + _table(("Of", "At most", "Unit"), rows)


def _differences() -> str:
    rows = [(f"`{name}`", text) for name, text in differences(PROJECT / "hpc_local")]
    return "## Differences\n\nAs the modules themselves say.\n\n" + _table(("Module", "Differs from AWS"), rows)


def differences(package: Path) -> Iterator[tuple[str, str]]:
    """Yield every module that names a difference from AWS in its docstring, with the text."""
    for path in sorted(package.rglob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        found = re.search(r"\**Differs from AWS:\**\s*(.*?)(?:\n\n(?![-\s])|\Z)", docstring, re.DOTALL)
        if found:
            text = " ".join(found[1].replace("|", "\\|").split())
            if text != "not known to.":
                yield ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__"), text


if __name__ == "__main__":
    PAGE.write_text(page())
