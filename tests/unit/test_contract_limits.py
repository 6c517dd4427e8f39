"""Figures of lambdas/contract/limits.py: no reader has a copy, and every reader follows when a figure changes.

Each test of `PROBES` changes one figure, executes one reader anew, and asks the reader for something that depends on
the figure.  A reader without a probe fails a test, so a new one has to be added here.
"""

import argparse
import ast
import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from hpc.planning.designs import ASSUMPTIONS, Computation, Design, Quotas
from hpc.planning.ranges import Range
from lambdas.contract import limits

PROJECT = Path(__file__).parents[2]
PACKAGES = ("hpc", "hpc_stack", "lambdas")
FIGURES = {name: value for name, value in vars(limits).items() if name.isupper()}
# A computation that says nothing of its own: one item of one second.
ONE = Computation(item_count=1, seconds_per_item=Range.exactly(1), longest_seconds=Range.exactly(1))
MANY = Computation(item_count=10**6, seconds_per_item=Range.exactly(1), longest_seconds=Range.exactly(1))
JOBS = Design(back_end="fargate", batch_size=1)


def changed(value: float) -> float:
    """Return another value of the same kind, far enough away that a probe can see it."""
    if isinstance(value, float):
        return 2 * value
    return 3 if value == 2 else value // 2


def outcome(function: Callable[..., Any], *given: Any, **named: Any) -> str:
    """Return what a call returns or is refused with."""
    try:
        return repr(function(*given, **named))
    except Exception as error:
        return str(error)


def figures_of_plan(**given: int) -> argparse.Namespace:
    names = "size sample batch_size memory_mib max_concurrency lambda_concurrency fargate_vcpus result_bytes"
    return argparse.Namespace(**dict.fromkeys([*names.split(), "usd_per_hour", "longest_seconds"]) | given)


def job_count(module: ModuleType, computation: Computation, vcpus: float) -> int:
    quotas = Quotas(fargate_vcpus=vcpus)
    return int(module.usage_of(computation, JOBS, quotas, ASSUMPTIONS, "expected").children)


def start(module: ModuleType, **given: Any) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAX_CONCURRENCY", "5")
        return outcome(module.parse_event, {"name": "run", "input": {"size": 1, **given}})


def environment(module: ModuleType, name: str, value: int) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, str(value))
        return outcome(getattr(module, name.lower()))


def asked(module: ModuleType, name: str, call: Callable[[], Any]) -> str:
    """Return with what arguments ``call`` calls the attribute ``name`` of a module's collaborator."""
    owner, _, attribute = name.rpartition(".")
    seen: list[str] = []

    def note(*given: Any, **named: Any) -> Iterator[bytes]:
        seen.append(f"{given} {named}")
        return iter(())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(getattr(module, owner), attribute, note)
        list(call())
    return str(seen)


def note_bytes(module: ModuleType) -> str:
    seen: list[int] = []
    body = SimpleNamespace(read=lambda count: seen.append(count) or b"")
    s3 = SimpleNamespace(get_object=lambda **_: {"Body": body})
    module.read_note(SimpleNamespace(s3=s3, bucket="b"), "run")
    return str(seen)


def spilled_parts(module: ModuleType) -> str:
    part = {"first": 0, "count": 1, "result": "x" * 150_000}
    written = SimpleNamespace(next=0, _first=0, _parts=[part], _batch=0, _spill=lambda _part: {"key": "k"})
    return repr(module.PartWriter.parts(written))


def kept_text(module: ModuleType) -> str:
    collecting = SimpleNamespace(_texts=[], _characters=0)
    module.Collecting._keep(collecting, "x" * 150_000)
    return repr(collecting._texts)


def output_of_sum(module: ModuleType) -> str:
    answer = SimpleNamespace(output={}, bucket="b", settings=SimpleNamespace(name="run"), _uri=lambda file: file)
    result = SimpleNamespace(fields={"result": "x" * 150_000}, kept={}, file="f")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.storage, "put_json", lambda *_: None)
        return repr(module.Answer._write_output(answer, result))


def fail() -> None:
    raise type("E" * 99, (Exception,), {})("m" * 1_500)


def error_of(module: ModuleType) -> str:
    try:
        fail()
    except Exception as error:
        return repr(module.failure_of(error, __file__))
    raise AssertionError


def listed(count: int, size: int) -> SimpleNamespace:
    """Stand for a zip with so many files of so many bytes."""
    member = SimpleNamespace(file_size=size, filename="a", flag_bits=0, external_attr=0, is_dir=lambda: False)
    return SimpleNamespace(infolist=lambda: [member] * count)


def received(module: ModuleType, size: int) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.storage, "read_blocks", lambda *_: iter([bytes(size)]))
        return outcome(module._read, "b", "0" * 64)


def sent(module: ModuleType, size: int) -> str:
    files = {"a": SizedBytes(size)}
    return outcome(lambda: module.WorkloadPackage("w", files, "it").data and "sent")


class SizedBytes(bytes):
    """No bytes that say they are many."""

    def __new__(cls, size: int) -> "SizedBytes":
        made = super().__new__(cls, b"")
        made.size = size
        return made

    size: int

    def __len__(self) -> int:
        return self.size


def concurrency_of_map_run(module: ModuleType) -> int:
    seen = SimpleNamespace(map_run={"maxConcurrency": 0})
    part = SimpleNamespace(is_on_jobs=False, work=SimpleNamespace(seen=seen, definition=None), batch_size=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "map_design", lambda *_given, **named: named["max_concurrency"])
        return int(module.Part.design(part, None))


def array_size_of_stack(module: ModuleType, vcpus: float) -> int:
    return int(module.HpcConfig.max_array_size.fget(SimpleNamespace(batch_max_vcpus=vcpus, batch_vcpus=1)))


def lines_of_first_run(module: ModuleType) -> str:
    links = [SimpleNamespace(settings=SimpleNamespace(name="run"))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.coverage, "has_range", lambda *_: False)
        return asked(module, "indexed_items.read_checked_lines", lambda: module.items("b", links))


def packed_bytes(module: ModuleType) -> str:
    buffer = SimpleNamespace(getvalue=lambda: SizedBytes(40 * 1024**2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "io", SimpleNamespace(BytesIO=lambda: buffer))
        patch.setattr(module, "zipfile", SimpleNamespace(ZipFile=lambda *_: contextlib.nullcontext()))
        return outcome(lambda: len(module.WorkloadPackage("w", {}, "it").data))


def many_files(module: ModuleType) -> str:
    def file(number: int) -> SimpleNamespace:
        return SimpleNamespace(
            relative_to=lambda _: Path(f"{number}.txt"),
            resolve=lambda: PROJECT / f"{number}.txt",
            stat=lambda: SimpleNamespace(st_size=0),
            read_bytes=lambda: b"",
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_files_below", lambda *_: map(file, range(9_000)))
        return outcome(lambda: len(module.package_of_folder(PROJECT, "w", "it").files))


Probe = Callable[[ModuleType], Any]
RECORD = {"Status": "FAILED", "Error": "E" * 90, "Cause": "m" * 400}
PROBES: dict[tuple[str, str], Probe] = {
    ("MAX_BATCH_COUNT", "hpc.commands.plan"): lambda m: outcome(m.check_batch_size, 1, 9_000),
    ("MAX_BATCH_COUNT", "hpc.planning.advice"): lambda m: m.batch_sizes(10_000, None),
    ("MAX_BATCH_COUNT", "lambdas.items.batches"): lambda m: outcome(m.check_batch_size, 1, 9_000),
    ("MAX_CONCURRENCY", "hpc.api.input_parts"): lambda m: outcome(m.checked_part, "max_concurrency", 9_000),
    ("MAX_CONCURRENCY", "hpc.cli.arguments"): lambda m: outcome(m.max_concurrency, "9000"),
    ("MAX_CONCURRENCY", "hpc.commands.plan"): lambda m: outcome(
        m.check_figures, figures_of_plan(max_concurrency=9_000)
    ),
    ("MAX_CONCURRENCY", "hpc.planning.designs"): lambda m: m.original_design().max_concurrency,
    ("MAX_CONCURRENCY", "hpc.runs.spent"): concurrency_of_map_run,
    ("MAX_CONCURRENCY", "hpc_stack.config"): lambda m: outcome(m.HpcConfig, max_concurrency=9_000),
    ("MAX_CONCURRENCY", "lambdas.items.inputs"): lambda m: start(m, max_concurrency=9_000),
    ("MAX_CONCURRENCY", "lambdas.run_files.environment"): lambda m: environment(m, "MAX_CONCURRENCY", 9_000),
    ("MIN_ARRAY_SIZE", "hpc.planning.usage"): lambda m: job_count(m, ONE, 1),
    ("MIN_ARRAY_SIZE", "hpc_stack.config"): lambda m: array_size_of_stack(m, 0),
    ("MIN_ARRAY_SIZE", "lambdas.run_files.environment"): lambda m: environment(m, "MAX_ARRAY_SIZE", 2),
    ("MIN_ARRAY_SIZE", "lambdas.run_files.job_shares"): lambda m: m.array_size(1, 1),
    ("MAX_ARRAY_SIZE", "hpc.planning.usage"): lambda m: job_count(m, MANY, 10**6),
    ("MAX_ARRAY_SIZE", "hpc_stack.config"): lambda m: array_size_of_stack(m, 10**6),
    ("MAX_ARRAY_SIZE", "lambdas.run_files.environment"): lambda m: environment(m, "MAX_ARRAY_SIZE", 9_000),
    ("MAX_ARRAY_SIZE", "lambdas.run_files.job_shares"): lambda m: m.array_size(10**6, 10**6),
    ("MAX_ARRAY_SIZE", "lambdas.start"): lambda m: m.array_size(
        SimpleNamespace(back_end="batch", batch_size=1), range(9_000)
    ),
    ("MAX_ITEMS", "hpc.api.input_parts"): lambda m: [
        outcome(m.checked_part, key, 2**53) for key in ("size", "batch_size")
    ],
    ("MAX_ITEMS", "hpc.cli.arguments"): lambda m: [outcome(read, str(2**53)) for read in (m.size, m.batch_size)],
    ("MAX_ITEMS", "hpc.commands.plan"): lambda m: outcome(m.check_figures, figures_of_plan(size=2**53)),
    ("MAX_ITEMS", "hpc_stack.config"): lambda m: outcome(m.HpcConfig, max_items=2**53),
    ("MAX_ITEMS", "lambdas.items.inputs"): lambda m: [start(m, size=2**53), start(m, batch_size=2**53)],
    ("MAX_ITEMS", "lambdas.notify"): lambda m: outcome(m.read_entry, {"name": "a", "size": 2**53}),
    ("MAX_ITEMS", "lambdas.run_files.environment"): lambda m: [m.max_items(), environment(m, "MAX_ITEMS", 2**53)],
    ("MAX_OUTPUT_BYTES", "hpc.planning.usage"): lambda m: m._s3_amounts(
        Computation(
            item_count=1, seconds_per_item=Range.exactly(1), longest_seconds=Range.exactly(1), result_bytes=150_000
        ),
        *(1, 1, 0, 0),
    ),
    ("MAX_OUTPUT_BYTES", "lambdas.batch.parts"): spilled_parts,
    ("MAX_OUTPUT_BYTES", "lambdas.results.final_result"): lambda m: m._with_value(("x" * 150_000,)).fields,
    ("MAX_OUTPUT_BYTES", "lambdas.results.reduction"): kept_text,
    ("MAX_OUTPUT_BYTES", "lambdas.sum"): output_of_sum,
    ("MAX_ITEM_BYTES", "lambdas.items.item_sources"): lambda m: asked(
        m, "storage.read_lines", lambda: m._file_lines(SimpleNamespace(bucket="b", key="k"))
    ),
    ("MAX_ITEM_BYTES", "lambdas.items.missing_items"): lambda m: asked(
        m,
        "indexed_items.read_checked_lines",
        lambda: m._lines("b", SimpleNamespace(redrive_of=None, name="run")),
    ),
    ("MAX_ITEM_BYTES", "lambdas.results.chain"): lines_of_first_run,
    ("MAX_ITEM_BYTES", "lambdas.run_files.indexed_items"): lambda m: m.MAX_LINE_BYTES,
    ("MAX_ITEM_BYTES", "lambdas.start"): lambda m: m.write_items.__kwdefaults__["max_line_bytes"],
    ("MAX_ERROR_TYPE_CHARACTERS", "lambdas.items.missing_items"): lambda m: m.MAX_FAILURE_BYTES,
    ("MAX_ERROR_TYPE_CHARACTERS", "lambdas.results.records"): lambda m: m._failure(RECORD),
    ("MAX_ERROR_TYPE_CHARACTERS", "lambdas.run_files.failures"): error_of,
    ("MAX_ERROR_MESSAGE_CHARACTERS", "lambdas.items.missing_items"): lambda m: m.MAX_FAILURE_BYTES,
    ("MAX_ERROR_MESSAGE_CHARACTERS", "lambdas.results.records"): lambda m: m._failure(RECORD),
    ("MAX_ERROR_MESSAGE_CHARACTERS", "lambdas.run_files.errors"): lambda m: m.WorkloadError("s" * 400).failure_of_all(),
    ("MAX_ERROR_MESSAGE_CHARACTERS", "lambdas.run_files.failures"): error_of,
    ("MAX_ERROR_TRACEBACK_CHARACTERS", "lambdas.items.missing_items"): lambda m: m.MAX_FAILURE_BYTES,
    ("MAX_ERROR_TRACEBACK_CHARACTERS", "lambdas.run_files.failures"): error_of,
    ("RESERVE_SHARE", "hpc.planning.usage"): lambda m: m.usable_seconds(20),
    ("RESERVE_SHARE", "lambdas.batch.time_limit"): lambda m: m.TimeLimit(20).seconds,
    ("MIN_RESERVE_SECONDS", "hpc.planning.usage"): lambda m: m.usable_seconds(2),
    ("MIN_RESERVE_SECONDS", "lambdas.batch.time_limit"): lambda m: m.TimeLimit(2).seconds,
    ("MAX_RESERVE_SECONDS", "hpc.planning.usage"): lambda m: m.usable_seconds(900),
    ("MAX_RESERVE_SECONDS", "lambdas.batch.time_limit"): lambda m: m.TimeLimit(900).seconds,
    ("MAX_FUNCTION_TIMEOUT_SECONDS", "hpc.planning.designs"): lambda m: m.Design().compute_timeout_seconds,
    ("MAX_FUNCTION_TIMEOUT_SECONDS", "hpc_stack.config"): lambda m: outcome(m.HpcConfig, compute_timeout_seconds=900),
    ("MAX_PACKED_BYTES", "hpc.targets.workload_package"): packed_bytes,
    ("MAX_PACKED_BYTES", "lambdas.batch.workload_package"): lambda m: received(m, 40 * 1024**2),
    ("MAX_UNPACKED_BYTES", "hpc.targets.workload_package"): lambda m: sent(m, 200 * 1024**2),
    ("MAX_UNPACKED_BYTES", "lambdas.batch.workload_package"): lambda m: outcome(
        lambda: next(m._checked(listed(1, 200 * 1024**2))).filename
    ),
    ("MAX_PACKAGE_FILES", "hpc.targets.workload_package"): many_files,
    ("MAX_PACKAGE_FILES", "lambdas.batch.workload_package"): lambda m: outcome(
        lambda: list(m._checked(listed(9_000, 1)))
    ),
    ("MAX_NOTE_CHARACTERS", "hpc.cli.arguments"): lambda m: outcome(m.note, "x" * 900),
    ("MAX_NOTE_CHARACTERS", "hpc.runs.run_summary"): note_bytes,
}
# A probe of this one needs aws_cdk: tests/synth/test_stack_limits.py has it.
PROBED_ELSEWHERE = {("MAX_FUNCTION_TIMEOUT_SECONDS", "hpc_stack.tasks")}


def readers() -> set[tuple[str, str]]:
    """Return each figure with each module that imports it."""
    found = set()
    for package in PACKAGES:
        for path in (PROJECT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and node.module == f"{package}.contract.limits":
                    dotted = ".".join(path.relative_to(PROJECT).with_suffix("").parts)
                    found |= {(alias.name, dotted) for alias in node.names}
    return found


def executed_anew(dotted: str, patch: pytest.MonkeyPatch) -> ModuleType:
    """Execute a module with the figures as they are now; the modules that it imports stay as they were."""
    spec = importlib.util.find_spec(dotted)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    patch.setitem(sys.modules, dotted, module)
    spec.loader.exec_module(module)
    return module


def test_every_reader_of_every_figure_has_a_probe() -> None:
    assert readers() == PROBES.keys() | PROBED_ELSEWHERE
    assert {figure for figure, _reader in PROBES} == FIGURES.keys()


@pytest.mark.parametrize(("figure", "reader"), PROBES)
def test_a_reader_follows_when_a_figure_changes(monkeypatch: pytest.MonkeyPatch, figure: str, reader: str) -> None:
    probe = PROBES[figure, reader]
    before = repr(probe(executed_anew(reader, monkeypatch)))
    contract = importlib.import_module(f"{reader.partition('.')[0]}.contract.limits")
    monkeypatch.setattr(contract, figure, changed(FIGURES[figure]))
    assert repr(probe(executed_anew(reader, monkeypatch))) != before


# Values that stand for something else where they are the same as a figure, by module.
OTHER_MEANINGS = {
    ("hpc.api.saving", 10_000): "rows of a row group",
    ("hpc.commands.inputs", 2**53): "every JSON number",
    ("hpc.commands.plan", 10_000): "items of --sample",
    ("hpc.commands.plan", 2**53): "bytes of a result",
    ("hpc_stack.encryption", 900): "seconds that a data key is reused",
    ("hpc_stack.layer", 250 * 1024**2): "bytes of a Lambda layer",
    ("lambdas.notify", 10_000): "characters of a total",
    ("lambdas.run_files.object_writer", 10_000): "parts of an upload",
    ("lambdas.run_files.runs", 2**53): "every number in run.json",
    ("lambdas.workloads.option_price", 10_000): "paths of an item",
}
# Figures that are too common to look for: 0.1, 2, 10, 100, 500, 1,000, 2,000, 1 MiB.
DISTINCTIVE = {10_000, 2**53, 200_000, 900, 50 * 1024**2, 250 * 1024**2}


def numbers(node: ast.AST) -> Iterator[float]:
    """Yield the numbers in a syntax tree, products and powers of literals as one number."""
    try:
        value = eval(ast.unparse(node), {"__builtins__": {}}) if isinstance(node, ast.BinOp | ast.Constant) else None
    except (NameError, TypeError, ZeroDivisionError, AttributeError):
        value = None
    if isinstance(value, int | float):
        yield value
    else:
        for child in ast.iter_child_nodes(node):
            yield from numbers(child)


def test_no_module_has_a_copy_of_a_figure() -> None:
    found = set()
    for package in PACKAGES:
        for path in (PROJECT / package).rglob("*.py"):
            dotted = ".".join(path.relative_to(PROJECT).with_suffix("").parts)
            if ".contract." not in dotted:
                found |= {(dotted, number) for number in numbers(ast.parse(path.read_text())) if number in DISTINCTIVE}
    assert found == OTHER_MEANINGS.keys()
