"""combine and finish get the values that compute returned: on every back end, in every batch, through every file."""

import io
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from disturbed_runs import FAILING, Disturbed
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from test_job import run_array, sum_run
from test_typed_json import VALUES, described
from test_workloads_testing import module_of

from lambdas import compare
from lambdas.batch import parts
from lambdas.jobs import job_part
from lambdas.results.combining import Combiner
from lambdas.run_files import errors, job_shares
from lambdas.run_files.runs import read_settings
from lambdas.testing import answer, check_combine
from lambdas.values import blocks

NUMPY = "import numpy as np\n"
SAMPLE = NUMPY + "def compute(item): return np.array([1, 2, 3])\ndef combine(a, b): return a + b\n"
# Results that no JSON text holds reach the workload, and come back, as objects of this process.
HELD: dict[str, Any] = {}
GIVEN = "from test_result_types import HELD, described\ndef compute(item): return HELD['given'][item]\n"
GATHERED = "def finish(results): HELD['seen'] = list(results)\n"
# The smallest of two by all that there is to know of it: commutative and associative, whatever they are.
LEAST = (
    "def combine(a, b): return min(a, b, key=lambda value: repr(described(value)))\n"
    "def finish(result): HELD['seen'] = result\n"
)
BACK_ENDS = ["lambda", "batch", "batch_callback"]


@pytest.fixture(scope="module", autouse=True)
def back_ends() -> Iterator[None]:
    previous = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACK_ENDS", ",".join(BACK_ENDS))
        patch.setenv("MAX_ARRAY_SIZE", "4")
        yield
    signal.signal(signal.SIGTERM, previous)


def output_of(run: Any) -> dict[str, Any]:
    """Run to the end on the run's back end."""
    match run.execution_input.get("back_end", "lambda"):
        case "batch":
            return run_array(run)
        case "batch_callback":
            run.start()
            key = job_shares.callback_part_key(run.name, "job-1")
            job_settings = read_settings(run.BUCKET, run.name)
            job_part.write_part(run.BUCKET, job_settings, range(job_settings.batch_count), key)
            run.state["callback"] = {"key": key}
            return sum_run(run)
    output: dict[str, Any] = run.run()
    return output


def object_of(run: Any, file: str) -> bytes:
    return bytes(run.s3.get_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/{file}")["Body"].read())


@pytest.mark.parametrize("back_end", BACK_ENDS)
@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_arrays_add_up(pipeline: Any, make_workload: Any, back_end: str, batch_size: int) -> None:
    run = pipeline(size=4, workload=make_workload(SAMPLE), batch_size=batch_size, back_end=back_end)
    output = output_of(run)
    assert (output["result"], output["array"]) == ("[4,8,12]", "int64, shape (3,)")
    assert output["result_file"] == f"s3://{run.BUCKET}/runs/{run.name}/result.npy"
    result = np.load(io.BytesIO(object_of(run, "result.npy")), allow_pickle=False)
    assert described(result) == described(np.array([4, 8, 12]))


@settings(max_examples=25, phases=(Phase.explicit, Phase.generate))  # a failing example takes long to shrink
@given(
    values=st.lists(VALUES, min_size=1, max_size=6),
    batch_size=st.integers(1, 6),
    back_end=st.sampled_from(BACK_ENDS),
    inline_bytes=st.sampled_from([0, 150, blocks.INLINE_BYTES]),
    flush_bytes=st.sampled_from([60, parts.FLUSH_BYTES]),
    combines=st.booleans(),
)
def test_workload_gets_back_what_it_returned(
    pipeline: Any,
    make_workload: Any,
    values: list[Any],
    batch_size: int,
    back_end: str,
    inline_bytes: int,
    flush_bytes: int,
    combines: bool,
) -> None:
    HELD["given"] = values
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "INLINE_BYTES", inline_bytes)
        patch.setattr(parts, "FLUSH_BYTES", flush_bytes)
        patch.setattr(parts, "MAX_OUTPUT_BYTES", 2000)
        run = pipeline(
            size=len(values),
            workload=make_workload(GIVEN + (LEAST if combines else GATHERED)),
            batch_size=batch_size,
            back_end=back_end,
        )
        assert output_of(run)["complete"]
    if combines:
        assert described(HELD["seen"]) == min(map(described, values), key=repr)
    else:
        assert [described(value) for value in HELD["seen"]] == [described(value) for value in values]
        assert [(line["index"], line["item"]) for line in run.results()] == [(i, i) for i in range(len(values))]


def test_array_that_compute_fills_anew_for_each_item_counts_once_for_each(pipeline: Any, make_workload: Any) -> None:
    source = NUMPY + "kept = np.zeros(2)\ndef compute(item):\n    kept[:] = item\n    return kept\n"
    addition = "def combine(a, b):\n    a += b\n    return a\n"
    for batch_size in (1, 5):
        run = pipeline(size=5, workload=make_workload(source + addition), batch_size=batch_size)
        assert run.run()["result"] == "[10.0,10.0]"


def test_long_arrays_and_bytes_are_objects_of_their_own(pipeline: Any, make_workload: Any) -> None:
    source = NUMPY + "def compute(item): return {'grid': np.full((600, 600), item + 0.5), 'raw': bytes(2_000_000)}\n"
    finish = "def finish(results): return sum(each['grid'][-1, -1] * len(each['raw']) for each in results)\n"
    run = pipeline(size=2, workload=make_workload(source + finish), batch_size=2)
    output = run.run()
    assert (output["result"], output["result_file"][-12:]) == ("4000000.0", "/result.json")
    assert json.loads(run.text("result.json"))["typed_result"].startswith('{"$scalar":["<f8",')
    for index, line in enumerate(run.results()):
        pointer = line["result"]["grid"]["$npy"]
        assert pointer["key"] == f"runs/{run.name}/parts/{index}.npy"
        grid = np.load(io.BytesIO(object_of(run, f"parts/{index}.npy")), allow_pickle=False)
        assert described(grid) == described(np.full((600, 600), index + 0.5))
        assert line["result"]["raw"]["$bytes"]["key"] == f"runs/{run.name}/parts/{index}.1.bin"


@pytest.mark.parametrize(
    "change", [lambda body: body[:-1] + b"x", lambda body: body[:-8], lambda body: b"x" + body[1:]]
)
def test_block_that_changed_is_named(pipeline: Any, make_workload: Any, change: Any) -> None:
    source = NUMPY + "def compute(item): return np.zeros(200_000)\ndef combine(a, b): return a + b\n"
    run = pipeline(size=2, workload=make_workload(source), batch_size=1)
    run.start()
    run.map()
    run.write_results()
    key = f"runs/{run.name}/parts/1-1-1.npy"
    run.s3.put_object(Bucket=run.BUCKET, Key=key, Body=change(object_of(run, "parts/1-1-1.npy")))
    with pytest.raises(errors.ResultFileError, match=rf"{key} has "):
        run.sum()


def test_array_over_the_longest_object_is_the_items_error(
    pipeline: Any, make_workload: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "MAX_BLOCK_BYTES", 2_000_000)
    run = pipeline(size=1, workload=make_workload(NUMPY + "def compute(item): return np.zeros((300, 1000))\n"))
    with pytest.raises(errors.ItemFailedError, match=r"item 0 failed: .* may have 2000000 bytes, got 2400000"):
        run.first_output()


def test_results_of_redrives_keep_their_types(pipeline: Any, make_workload: Any, tmp_path: Path) -> None:
    source = (
        FAILING
        + NUMPY
        + "def compute(item, params, index):\n    check(index, params)\n"
        + "    return np.datetime64(item, 'D'), np.full(2, index, '>i2'), b'x'\n"
        + "def finish(results):\n    return [(str(day.dtype), str(pair.dtype), raw) == ('datetime64[D]', '>i2', b'x')\n"
        + "            and pair.tolist() for day, pair, raw in filter(None, results)]\n"
    )
    disturbed = Disturbed(
        pipeline, tmp_path, workload=make_workload(source), size=6, batch_size=2, tolerated_failure_percentage=100
    )
    run = disturbed.next(disturbed.first({1, 4}), set())
    assert json.loads(run.output["result"]) == [[index, index] for index in range(6)]


def test_results_jsonl_has_index_item_and_result(pipeline: Any, make_workload: Any, upload: Any) -> None:
    source = NUMPY + (
        "def compute(item):\n"
        "    if item == 'bad': raise ValueError(item)\n"
        "    return {'mean': np.float64(0.5), 'pair': (1, np.int8(2)), 'nan': np.float32('nan'), 'row': np.zeros(1)}\n"
    )
    items = upload("items.jsonl", '{"a": "ü"}\n"bad"\n'.encode())
    run = pipeline(items=items, workload=make_workload(source), tolerated_failure_percentage=50)
    output = run.run()
    first, second = run.results()
    assert (first["index"], first["item"]) == (0, {"a": "ü"})
    assert second == {"index": 1, "item": "bad", "failed": True}
    result = first["result"]
    assert (result["mean"], result["pair"], set(result["nan"]), set(result["row"])) == (
        0.5,
        [1, 2],
        {"$scalar"},
        {"$npy"},
    )
    assert output["result_file"].endswith("/result.json")


def test_results_that_json_holds_are_told_as_json(pipeline: Any, make_workload: Any) -> None:
    source = NUMPY + "def compute(item): return (np.int64(item), np.arange(2.0))\n"
    run = pipeline(size=2, workload=make_workload(source))
    assert run.run()["result"] == "[[0,[0.0,1.0]],[1,[0.0,1.0]]]"


@pytest.mark.parametrize(
    ("finish", "fields", "file"),
    [
        ("np.array([1.5, np.nan])", {"array": "float64, shape (2,)"}, "result.npy"),
        ("np.array(7)", {"array": "int64, shape ()", "result": "7", "total_sum": "7"}, "result.npy"),
        ("np.zeros((2, 0), '>f4')", {"array": ">f4, shape (2, 0)", "result": "[[],[]]"}, "result.npy"),
        ("np.zeros(100_000)", {"array": "float64, shape (100000,)"}, "result.npy"),
        ("np.int64(7)", {"result": "7", "total_sum": "7"}, "result.json"),
        ("np.float64('nan')", {}, "result.json"),
        ("(1, 2)", {"result": "[1,2]"}, "result.json"),
        ("{'a': np.array([1])}", {"result": '{"a":[1]}'}, "result.json"),
        ("{'a': b'x'}", {}, "result.json"),
        ("b'x'", {}, "result.bin"),
    ],
)
def test_result_of_finish_is_told_as_json_where_that_can_be_and_kept_as_it_is(
    pipeline: Any, make_workload: Any, finish: str, fields: dict[str, str], file: str
) -> None:
    source = NUMPY + f"def compute(item): return item\ndef finish(results): return {finish}\n"
    run = pipeline(size=1, workload=make_workload(source))
    output = run.run()
    assert {name: output[name] for name in ("result", "total_sum", "array") if name in output} == fields
    assert output["result_file"].endswith(f"/{file}")
    if file == "result.npy":
        kept = np.load(io.BytesIO(object_of(run, file)), allow_pickle=False)
        assert described(kept) == described(eval(finish))


def test_a_result_that_can_not_be_kept_is_named(pipeline: Any, make_workload: Any) -> None:
    source = NUMPY + "def compute(item): return item\ndef finish(results): return np.array([None])\n"
    with pytest.raises(errors.WorkloadError, match=r"can't be kept: .*dtype object: make it value\.tolist\(\)"):
        pipeline(size=1, workload=make_workload(source)).run()


@pytest.mark.parametrize("finish", ["np.arange(3)", "{'a': np.arange(3)}", "np.float64('nan')"])
def test_back_ends_agree_on_results_with_types(pipeline: Any, make_workload: Any, finish: str) -> None:
    name = make_workload(NUMPY + f"def compute(item): return item\ndef finish(results): return {finish}\n")
    results = {}
    for back_end in BACK_ENDS:
        output = output_of(pipeline(size=2, workload=name, back_end=back_end))
        results[back_end] = {field: output[field] for field in ("result_file", "count", "failed")}
    assert compare.handler({"name": "a", "total_characters": 100, "results": results}, None)["agree"]


@pytest.mark.parametrize(
    ("source", "messages"),
    [
        ("def compute(item): return [item]\ndef combine(a, b): return a + b\n", [r"\[0,1\]", r"\[1,0\]"]),
        ("def compute(item): return str(item)\ndef combine(a, b): return a + b\n", ['"01"', '"10"']),
        ("def compute(item): return item\ndef combine(a, b): return a - b\n", ["-1", "1"]),
        ("def compute(item): return item\ndef combine(a, b): return a\n", ["0", "1"]),
        ("def compute(item): return {'n': item, 'x': 1.7e9}\ndef combine(a, b): return a\n", ['"n":0', '"n":1']),
        (
            NUMPY + "def compute(item): return np.full(2, item)\ndef combine(a, b): return np.concatenate([a, b])\n",
            [r"\[0,0,1,1\]", r"\[1,1,0,0\]"],
        ),
        (NUMPY + "def compute(item): return np.float32(item)\ndef combine(a, b): return a - b\n", ["-1.0", "1.0"]),
        # The first pairs are the same either way.
        ("def compute(item): return item // 3\ndef combine(a, b): return a - b\n", ["-1", "1"]),
        # One of the first pair changes nothing.
        ("def compute(item): return [item] * (item > 0)\ndef combine(a, b): return a + b\n", [r"\[1,2\]", r"\[2,1\]"]),
        ("def compute(item): return [item] * (item % 2)\ndef combine(a, b): return a + b\n", [r"\[1,3\]", r"\[3,1\]"]),
        (
            NUMPY
            + "def compute(item): return np.array([[1, item], [0, 1 + (item > 0)]])\ndef combine(a, b): return a @ b\n",
            [r"\[\[1,4\],\[0,4\]\]", r"\[\[1,5\],\[0,4\]\]"],
        ),
        # Changes what it is given.
        ("def compute(item): return [item]\ndef combine(a, b):\n    a.extend(b)\n    return a\n", [r"\[0,1\]"]),
    ],
)
@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_combine_that_does_not_commute_is_refused_with_both_results(
    pipeline: Any, make_workload: Any, source: str, messages: list[str], batch_size: int
) -> None:
    run = pipeline(size=5, workload=make_workload(source), batch_size=batch_size)
    run.start()
    children = run.map()
    failed = [child for child in children if child.error]
    if failed:
        text = f"{failed[0].error}: {(failed[0].output or {})['errorMessage']}"
    else:
        run.write_results()
        with pytest.raises(errors.WorkloadError) as caught:
            run.sum()
        text = str(caught.value)
    assert "combine(a, b) must be combine(b, a), because results come in no certain order" in text
    for message in messages if batch_size == 1 else []:
        assert re.search(message, text), text


@pytest.mark.parametrize(
    "combine",
    [
        "{'n': a['n'] + b['n'], 'mean': a['mean'] + (b['mean'] - a['mean']) * b['n'] / (a['n'] + b['n'])}",
        "{'n': a['n'] + b['n'], 'mean': (a['n'] * a['mean'] + b['n'] * b['mean']) / (a['n'] + b['n'])}",
    ],
)
@pytest.mark.parametrize("kind", ["float", "np.float32", "np.float64", "np.float16"])
def test_combine_that_commutes_but_for_the_last_digits_is_taken(
    pipeline: Any, make_workload: Any, combine: str, kind: str
) -> None:
    compute = f"def compute(item): return {{'n': 1, 'mean': {kind}(0.1 * item - 0.1)}}\n"
    source = NUMPY + compute + f"def combine(a, b): return {combine}\n"
    output = pipeline(size=3, workload=make_workload(source), batch_size=1).run()
    assert json.loads(output["result"])["n"] == 3


def test_combine_that_changes_its_arguments_adds_up_exactly(pipeline: Any, make_workload: Any) -> None:
    compute = "def compute(item): return {'n': item}\n"
    source = compute + "def combine(a, b):\n    a['n'] += b['n']\n    b['n'] = 0\n    return a\n"
    for batch_size in (1, 2, 5):
        assert pipeline(size=5, workload=make_workload(source), batch_size=batch_size).run()["result"] == '{"n":10}'


def test_error_of_combine_has_the_frames_of_the_workload_alone() -> None:
    def leaving(_a: int, _b: int) -> int:
        raise SystemExit(0)

    with pytest.raises(errors.WorkloadError) as caught:
        Combiner(leaving, __file__)(1, 2, "item 1")
    assert caught.value.failure is not None
    assert caught.value.failure.traceback.count("Traceback") == 1
    assert "combining.py" not in caught.value.failure.traceback


def test_answer_and_check_combine_keep_types_too() -> None:
    assert described(answer(module_of(SAMPLE), size=4)) == described(np.array([4, 8, 12]))
    check_combine(lambda a, b: a + b, [np.array([0.1, np.nan]), np.array([0.7, 1.0]), np.array([1e15, 2.0])])
    with pytest.raises(AssertionError, match=r"not commutative for \[1\], \[2\]: \[1,2\] is not \[2,1\]"):
        check_combine(lambda a, b: np.concatenate([a, b]), [np.array([1]), np.array([2])])
