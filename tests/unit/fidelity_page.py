"""Builds packages/sfn-local/docs/fidelity.md from the code.

`python tests/unit/fidelity_page.py` writes the page, and a test compares.
"""

import ast
import contextlib
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from sfn_local.arns import Account
from sfn_local.batch import resources, scheduler, store
from sfn_local.batch.service import ACTIONS as BATCH_ACTIONS
from sfn_local.batch.service import BatchService
from sfn_local.clock import Clock
from sfn_local.engine import compose
from sfn_local.execution import history, limits, parallel
from sfn_local.execution.integrations import Integrations
from sfn_local.iam.access import Access, Policies
from sfn_local.integrations.lambda_invoke import FunctionTask, InvokeTask
from sfn_local.lambda_runtime import function as lambda_function
from sfn_local.lambda_runtime.runtime import LambdaRuntime
from sfn_local.language import definition, json_text, scope, value_checks
from sfn_local.language.choice import OPERATORS
from sfn_local.language.fields import BOTH, JSONATA, JSONPATH, OBJECT_FIELDS, STATE_FIELDS, Field
from sfn_local.language.intrinsic_functions import FUNCTIONS
from sfn_local.maps import item_formats, item_reader, map_run, result_writer
from sfn_local.object_store import ObjectStore
from sfn_local.protocol.catalog import service_model
from sfn_local.sqs.service import ACTIONS as SQS_ACTIONS
from sfn_local.states_api.service import ACTIONS
from sfn_local.storage.store import Store

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "packages/sfn-local/docs/fidelity.md"

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
| AWS Batch, Amazon SQS | none |

## Recorded executions that end differently

None is known. A case that does is named here, with the reason.
"""


def page() -> str:
    parts = [_INTRODUCTION, _differences(), _NOT_CONFIRMED, _limits(), _language(), _functions(), _integrations()]
    return "\n".join([*parts, _actions()])


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _language() -> str:
    rows = []
    for name, fields in {**STATE_FIELDS, **OBJECT_FIELDS}.items():
        allowed = [field for field in fields if not field.refused]
        refused = "; ".join(f"`{field.name}`: {field.refused}" for field in fields if field.refused)
        by_language = (_names(allowed, language) for language in (BOTH, JSONPATH, JSONATA))
        rows.append((f"{name} state" if name in STATE_FIELDS else name, *by_language, refused))
    head = ("", "Fields", "with JSONPath only", "with JSONata only", "Refused")
    return "## Fields of the Amazon States Language\n\n" + _table(head, rows)


def _names(fields: list[Field], language: str) -> str:
    return listed(field.name for field in fields if field.language == language)


def listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _functions() -> str:
    return (
        f"**Comparison operators of a Choice**, with `And`, `Or` and `Not`: {listed(sorted(OPERATORS))}.\n\n"
        f"**Intrinsic functions**: {listed(f'States.{name}' for name in sorted(FUNCTIONS))}.\n"
    )


def integrations() -> list[str]:
    """Return the names of every integration, as a Resource has them."""
    account, access = Account(), Access(Policies())
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        objects = stack.enter_context(contextlib.closing(ObjectStore(folder / "s3")))
        home_store = stack.enter_context(contextlib.closing(Store(folder / "executions.sqlite")))
        runtime = LambdaRuntime(worker_count=1, log_folder=folder, base_environment={})
        batch = BatchService(
            account=account,
            clock=Clock(),
            slots=1,
            log_folder=folder,
            base_environment={},
            on_change=lambda _job: None,
        )
        machines, services = compose(
            account=account, clock=Clock(), runtime=runtime, objects=objects, store=home_store, batch=batch
        )
        stack.callback(machines.close)
        found = Integrations(FunctionTask(runtime, access), {"lambda:invoke": InvokeTask(runtime, account, access)})
        for served in services.values():
            found.add(served.tasks)
        return found.names


def _integrations() -> str:
    return (
        "## Integrations\n\nThe ARN of a Lambda function, and after `arn:aws:states:::`: "
        f"{listed(integrations())}. Every other resource is refused.\n"
    )


def _actions() -> str:
    refused = sorted(set(service_model("stepfunctions").operation_names) - set(ACTIONS))
    return (
        f"## Actions\n\n**Step Functions**: {listed(sorted(ACTIONS))}. Refused: {listed(refused)}.\n\n"
        f"**AWS Batch**: {listed(sorted(BATCH_ACTIONS))}. Every other one is refused.\n\n"
        f"**Amazon SQS**: {listed(sorted(SQS_ACTIONS))}. Every other one is refused.\n"
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
    "an item of a CSV or JSON Lines file": (item_formats.MAX_ITEM_BYTES, "bytes"),
    "a file of items": (item_reader.MAX_FILE_BYTES, "bytes"),
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
    rows = [(f"`{name}`", text) for name, text in differences(PROJECT / "packages/sfn-local/src/sfn_local")]
    return "## Differences\n\nAs the modules themselves say.\n\n" + _table(("Module", "Differs from AWS"), rows)


def differences(package: Path) -> Iterator[tuple[str, str]]:
    """Yield every module that names a difference from AWS in its docstring, with the text."""
    for path in sorted(package.rglob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        found = re.search(r"\**Differs from AWS:\**\s*(.*?)(?:\n\n(?![-\s])|\Z)", docstring, re.DOTALL)
        if found:
            # A table's cell holds no list: its points are lines.
            points = re.split(r"^- ", found[1].replace("|", "\\|"), flags=re.MULTILINE)
            text = "<br>".join(" ".join(point.split()) for point in points if point.strip())
            if text != "not known to.":
                yield ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__"), text


if __name__ == "__main__":
    PAGE.write_text(page())
