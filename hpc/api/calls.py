"""``hpc.start``, ``hpc.map``, ``hpc.get``, ``hpc.runs``, ``hpc.plan``: from values to runs."""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpc.api.functions import package_of
from hpc.api.input_parts import checked_part, whole_number
from hpc.api.items import items_file
from hpc.api.places import Place, find_place
from hpc.api.run import Run
from hpc.api.words import in_python_words
from hpc.cli import arguments
from hpc.commands.inputs import MAX_EXACT_INTEGER
from hpc.commands.starting import new_run_name
from hpc.commands.uploads import check_source, upload_items, upload_source, upload_workload
from hpc.contract.back_ends import JOB_BACK_ENDS
from hpc.errors import LostRunError, NotStartedError
from hpc.runs.find import find_run, list_executions
from hpc.runs.run_summary import write_note
from hpc.targets.client import Target, explained
from hpc.targets.home import Home
from hpc.targets.workload_file import WorkloadFile, check_workload, read_workload, workload_name
from hpc.targets.workload_origins import note_origin
from hpc.targets.workload_package import WorkloadPackage

if TYPE_CHECKING:
    import boto3

# Few enough to cost little beside the items, and enough that the last of them are not waited for long.
LOCAL_BATCHES_PER_PROCESSOR = 16
Workload = str | Path | Callable[..., Any] | WorkloadPackage


@in_python_words
def start(
    workload: Workload,
    *,
    size: int | None = None,
    items: Any = None,
    source: str | Path | None = None,
    combine: Callable[..., Any] | None = None,
    finish: Callable[..., Any] | None = None,
    params: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
    max_concurrency: int | None = None,
    tolerated_failure_percentage: float | None = None,
    back_end: str | None = None,
    name: str | None = None,
    note: str | None = None,
    aws: bool | str = False,
    session: "boto3.Session | None" = None,
    assembly: str | Path | None = None,
) -> Run:
    """Start a run and return at once; ``hpc.map`` is another name of it.

    Parameters
    ----------
    workload
        A function of one item, the name of a workload that the stack has, or the path of a file or folder of one's
        own.  Functions, files and folders travel with the run.
    size, items, source
        One of them: the items 0 to size - 1; an iterable, a pandas frame, a .jsonl, .csv or .parquet file or an
        ``s3://`` place; a folder, or ``s3://bucket/prefix``, with one item a file.
    combine, finish
        Beside a function: what makes one of two results, and what is made of all.
    params
        JSON value that every call gets that asks for ``params``.
    batch_size, max_concurrency, tolerated_failure_percentage, back_end
        As in the execution input (docs/reference/input_output.md). Without a batch size, the function of a program
        has 16 batches for each processor of this machine.
    name, note
        Name of the run, and a note about it.
    aws
        True for the deployed stack that cdk.json names, or the name of one; False for this machine.
    session
        Session of boto3 for the deployed stack.
    assembly
        Cloud assembly to serve on this machine, None for that of the project's sources.

    Raises
    ------
    NotStartedError
        If something is not what is allowed: nothing was started.
    """
    home = Home.from_environment()
    is_on_aws = bool(aws) or session is not None
    package, workload_named = _read(workload, combine, finish, home, is_on_aws=is_on_aws, assembly=assembly)
    given = {
        "workload": workload_named,
        "uploaded_workload": package.sha256 if package is not None else None,
        "params": params,
        "batch_size": batch_size,
        "max_concurrency": max_concurrency,
        "tolerated_failure_percentage": tolerated_failure_percentage,
        "back_end": back_end,
    }
    if sum(each is not None for each in (size, items, source)) != 1:
        raise NotStartedError("give exactly one of size, items and source")
    if isinstance(items, range) and items == range(len(items)):
        size, items = len(items), None
    checked = {key: checked_part(key, value) for key, value in given.items() if value is not None}
    if size is not None:
        checked["size"] = checked_part("size", size)
    folder = check_source(str(source)) if source is not None else None
    run_name = _run_name(name)
    has_jobs = back_end in JOB_BACK_ENDS
    with tempfile.TemporaryDirectory(prefix="hpc-") as temporary:
        file = items_file(items, Path(temporary)) if items is not None else None
        place = find_place(aws, session, assembly)
        if (
            place.is_local
            and batch_size is None
            and back_end in (None, "lambda")
            and not isinstance(workload, str | Path)
        ):
            checked |= _local_batches(size if size is not None else items)
        target = place.target(has_jobs=has_jobs)
        if package is not None:
            upload_workload(target, package)
            note_origin(home.create(), run_name, package)
        if file is not None:
            checked["items"] = file if isinstance(file, str) else upload_items(target, run_name, file)
        if source is not None:
            checked["source"] = str(source) if folder is None else upload_source(target, run_name, folder)
    if note is not None:
        with explained(NotStartedError, "keeping the note"):
            write_note(target, run_name, note)
    return _started(place, target, run_name, checked, has_jobs=has_jobs)


def _local_batches(items: Any) -> dict[str, int]:
    """Return the batch size for a function on this machine, where a child execution costs as much as a short item.

    Without a number of items, and on AWS, where they are computed all at once, Start chooses.
    """
    item_count = items if isinstance(items, int) else len(items) if hasattr(items, "__len__") else 0
    size = -(-item_count // (LOCAL_BATCHES_PER_PROCESSOR * (os.cpu_count() or 1)))
    return {"batch_size": size} if size > 1 else {}


def _started(place: Place, target: Target, name: str, given: dict[str, Any], *, has_jobs: bool) -> Run:
    with explained(NotStartedError, "the run was not started"):
        answer = target.stepfunctions.start_execution(
            stateMachineArn=target.state_machine_arn, name=name, input=json.dumps(given, separators=(",", ":"))
        )
    return Run(name, str(answer["executionArn"]), place, has_jobs, is_new=True)


map = start  # noqa: A001 - read with its module, as in hpc.map(area, size=1000, combine=add).result


def get(
    run: str = "latest",
    *,
    aws: bool | str = False,
    session: "boto3.Session | None" = None,
    assembly: str | Path | None = None,
) -> Run:
    """Return a run that was started earlier, by whom and how it may be.

    Parameters
    ----------
    run
        ``latest``, or the name of a run, the end of it, or its ARN.

    Raises
    ------
    NotStartedError
        If there is none such.
    """
    if not isinstance(run, str):
        raise NotStartedError(f"run must be a name, latest or an ARN, got {type(run).__name__}")
    place = find_place(aws, session, assembly)
    arn = find_run(place.target(only_looks=True), run)
    return Run(arn.rpartition(":")[2], arn, place)


def runs(
    *,
    limit: int = 20,
    aws: bool | str = False,
    session: "boto3.Session | None" = None,
    assembly: str | Path | None = None,
) -> list[Run]:
    """Return the latest runs, the last one first.

    Raises
    ------
    NotStartedError
        If ``limit`` is no whole number of 0 or more, or nothing ran yet.
    """
    limit = whole_number("limit", limit, 0, MAX_EXACT_INTEGER)
    place = find_place(aws, session, assembly)
    target = place.target(only_looks=True)
    with explained(LostRunError, "listing the runs"):
        listed = list_executions(target, [target.state_machine_arn], limit=limit)
        return [Run(each["name"], each["executionArn"], place) for each in listed]


@in_python_words
def plan(
    workload: Workload | None = None,
    *,
    size: int,
    seconds: float | None = None,
    sample: int | None = None,
    params: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Return what a run would cost on AWS and how long it would take, as ``hpc plan --output json`` says it.

    Parameters
    ----------
    workload
        What ``sample`` measures: a function, a name, or a file.
    seconds, sample
        One of them: seconds of an item on one vCPU, or how many items to run on this machine and measure.
    options
        The others of ``hpc plan``, with ``_`` for ``-``: ``memory_mib=2048``.

    Raises
    ------
    NotStartedError
        If something is not what is allowed.
    """
    from hpc.api.planning import estimate  # noqa: PLC0415 - few programs plan

    return estimate(workload, size=size, seconds=seconds, sample=sample, params=params, options=options)


def _read(
    workload: Workload,
    combine: Callable[..., Any] | None,
    finish: Callable[..., Any] | None,
    home: Home,
    *,
    is_on_aws: bool,
    assembly: str | Path | None,
) -> tuple[WorkloadPackage | None, str]:
    """Return what the run brings to compute with, and the name of the workload."""
    if isinstance(workload, WorkloadPackage):
        return workload, workload.name
    if callable(workload):
        package = package_of(workload, combine, finish)
        return package, package.name
    if not isinstance(workload, str | Path):
        raise NotStartedError(f"workload must be a function, a name or a path, got {type(workload).__name__}")
    if combine is not None or finish is not None:
        raise NotStartedError("combine and finish go with a function: a file defines its own")
    named = str(workload)
    if not is_on_aws:
        check_workload(named, home, Path(assembly) if assembly is not None else None)
    read = read_workload(named, home, on_aws=is_on_aws)
    if isinstance(read, WorkloadFile):
        read = WorkloadPackage(read.name, {f"{read.name}.py": read.source}, named, read.path)
    return read, str(workload_name(named))


def _run_name(name: str | None) -> str:
    if name is None:
        return new_run_name()
    try:
        return arguments.run_name(name)
    except Exception as error:
        raise NotStartedError(f"name {error}") from error
