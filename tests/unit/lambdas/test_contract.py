"""Results that a workload may return: numpy's values, bytes, nothing that JSON would change; errors name the item."""

import json
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from lambdas.batch import parts, seeds
from lambdas.run_files import errors, json_text

NUMPY = "import numpy as np\n"


@given(
    st_numpy.arrays(
        st.sampled_from(["?", "i1", "u8", "i8", "f4", "f8", "U3"]),
        st_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False},
    )
)
def test_plain_gives_arrays_as_the_lists_that_numpy_makes_of_them(array: Any) -> None:
    value = json_text.plain({"a": [array]})
    assert value == {"a": [array.tolist()]}
    assert json_text.parse(json_text.to_text(value)) == value


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.int64(-(2**63)), -(2**63)),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.float64(0.1), 0.1),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array([2**80, "a", None], dtype=object), [2**80, "a", None]),
    ],
)
def test_plain_gives_scalars_as_python_has_them(value: Any, plain: Any) -> None:
    result = json_text.plain(value)
    assert result == plain
    assert json_text.to_text(result) == json.dumps(plain, separators=(",", ":"))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([1.0, np.nan]), r"an array of shape \(2,\) has nan: it is not JSON"),
        (np.float32("inf"), r"has inf"),
        (np.float64("nan"), "nan is not JSON"),
        (np.complex128(1j), "an array of complex128 is not JSON"),
        (np.longdouble(1), "an array of .* is not JSON: allowed are bool, int, float up to 64 bits, and str"),
        (np.datetime64("2026-01-01"), "an array of datetime64"),
        (np.array([(1, 2)], dtype="i4,i4"), "an array of .* is not JSON"),
        (np.array([{1}], dtype=object), "got builtins.set"),
        (np.zeros(json_text.MAX_ELEMENTS + 1, np.uint8), "an array may have 8388608 elements, got 8388609"),
    ],
)
def test_plain_refuses_arrays_that_json_would_change(value: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        json_text.plain(value)


def test_plain_does_not_import_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(TypeError, match=r"got numpy\.ndarray"):
        json_text.plain(np.zeros(1))


@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_numpy_goes_through_items_results_combine_and_finish(
    pipeline: Any, make_workload: Any, batch_size: int
) -> None:
    source = NUMPY + (
        "def items(size): return np.arange(size)\n"
        "def compute(item): return np.full(3, item)\n"
        "def combine(a, b): return np.add(a, b)\n"
        "def finish(result): return np.sum(result)\n"
    )
    output = pipeline(size=7, workload=make_workload(source), batch_size=batch_size).run()
    assert (output["result"], output["total_sum"]) == ("63", "63")


def test_numpy_array_of_compute_batch_is_one_result_an_item(pipeline: Any, make_workload: Any) -> None:
    source = NUMPY + "def compute_batch(items): return np.array(items)[:, None] * np.ones(2, int)\n"
    output = pipeline(size=5, workload=make_workload(source), batch_size=2).run()
    assert json.loads(output["result"]) == [[index, index] for index in range(5)]


BYTES = "def compute(item):\n    if item == 3: raise ValueError('bad')\n    return bytes([item]) * item\n"


@pytest.mark.parametrize("batch_size", [1, 3, 7])
@pytest.mark.parametrize("flush_bytes", [60, parts.FLUSH_BYTES])
def test_bytes_are_objects_that_finish_gets_back_in_order(
    pipeline: Any, make_workload: Any, monkeypatch: pytest.MonkeyPatch, batch_size: int, flush_bytes: int
) -> None:
    monkeypatch.setattr(parts, "FLUSH_BYTES", flush_bytes)
    source = BYTES + "def finish(results):\n    for result in results: yield b'-' if result is None else result\n"
    run = pipeline(size=7, workload=make_workload(source), batch_size=batch_size, tolerated_failure_percentage=20)
    output = run.run()
    assert output["result_file"].endswith("/result.bin")
    body = run.s3.get_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/result.bin")["Body"].read()
    assert body == b"".join(b"-" if index == 3 else bytes([index]) * index for index in range(7))


def test_bytes_are_listed_by_their_place_where_nothing_finishes(pipeline: Any, make_workload: Any) -> None:
    run = pipeline(size=3, workload=make_workload(BYTES), batch_size=2)
    pointers = [parts.pointer(f"runs/{run.name}/parts/{index}.bin", bytes([index]) * index) for index in range(3)]
    tagged = [{"$bytes": pointer} for pointer in pointers]
    assert json.loads(run.run()["result"]) == tagged
    assert [line["result"] for line in run.results()] == tagged
    for index, pointer in enumerate(pointers):
        body = run.s3.get_object(Bucket=run.BUCKET, Key=pointer["key"])["Body"].read()
        assert body == bytes([index]) * index


def test_a_result_that_looks_like_a_pointer_is_a_result(pipeline: Any, make_workload: Any) -> None:
    source = "def compute(item): return {'key': 'runs/x', 'bytes': 1}\ndef finish(results): return list(results)\n"
    output = pipeline(size=1, workload=make_workload(source)).run()
    assert json.loads(output["result"]) == [{"key": "runs/x", "bytes": 1}]


def test_sum_names_bytes_that_are_gone_or_changed(pipeline: Any, make_workload: Any) -> None:
    run = pipeline(size=3, workload=make_workload(BYTES + "def finish(results): return list(map(len, results))\n"))
    run.start()
    run.map()
    run.write_results()
    run.s3.put_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/parts/2.bin", Body=b"longer")
    with pytest.raises(errors.ResultFileError, match=r"parts/2\.bin has 6 bytes"):
        run.sum()
    run.s3.put_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/parts/2.bin", Body=b"\x02\x03")
    with pytest.raises(errors.ResultFileError, match=r"parts/2\.bin has changed: its sha256 is"):
        run.sum()
    run.s3.delete_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/parts/2.bin")
    with pytest.raises(errors.StorageAccessError, match=r"parts/2\.bin is missing"):
        run.sum()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"result": '[{"$bytes":{"key":"uploads/x","bytes":1,"sha256":""}},2,3]'}, "blocks of run .* must be under"),
        ({"result": '[{"$bytes":{"key":"runs/x"}},2,3]'}, "blocks of run .* must be under"),
        ({"result": '[{"$unknown":1},2,3]'}, r'\{"\$unknown": 1\} is no value of a result'),
        ({"result": '[{"$scalar":["x","AA=="]},2,3]'}, '"x" is no dtype of a scalar'),
        ({"result": '[{"$scalar":["<f8","AA=="]},2,3]'}, "1 bytes are no scalar of <f8"),
        ({"result": '[{"$scalar":["O","AA=="]},2,3]'}, "1 bytes are no scalar of O"),
        ({"result": '[{"$npy":"AA=="},2,3]'}, "a result of run .* is broken"),
        ({"result": '[{"$npy":"%"},2,3]'}, "a result of run .* is broken"),
        ({"result": "[1,2]"}, "must list 3 results"),
        ({"result": "[1,2,3,4]"}, "must list 3 results"),
        ({"result": "[1,2,3]]"}, "must list 3 results"),
        ({"result": "[1,2,3"}, "must list 3 results"),
        ({"result": "[1,2,]"}, "must list 3 results"),
        ({"objects": [0]}, 'a part has count, failed, first, result, got "objects"'),
    ],
)
def test_sum_refuses_pointers_out_of_place(
    pipeline: Any, make_workload: Any, change: dict[str, Any], message: str
) -> None:
    run = pipeline(
        size=3, workload=make_workload(BYTES + "def finish(results): return len(list(results))\n"), batch_size=3
    )
    run.start()
    [child] = run.map()
    assert child.output is not None
    child.output["parts"][0] |= change
    run.write_results()
    with pytest.raises(errors.ResultFileError, match=message):
        run.sum()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "def compute(item): return 'x' * (16 * 1024 * 1024)",
            "a result may have 16777216 bytes of JSON besides its long arrays and bytes, got 16777218",
        ),
        ("def compute(item):\n    r = []\n    r.append(r)\n    return r", "nested too deeply"),
        ("def compute(item): return bytearray(1)", "got builtins.bytearray"),
        ("import asyncio\ndef compute(item): return asyncio.sleep(0)", "a coroutine, from a function that is async"),
    ],
)
@pytest.mark.filterwarnings("ignore:coroutine")
def test_results_that_are_refused_name_their_item(pipeline: Any, make_workload: Any, source: str, message: str) -> None:
    run = pipeline(items=[7], workload=make_workload(source))
    with pytest.raises(errors.ItemFailedError, match=f"^item 0 failed: .*{message}"):
        run.first_output()


def test_a_combined_result_over_the_limit_names_its_items(pipeline: Any, make_workload: Any) -> None:
    source = "def compute(item): return 'x' * (9 * 1024 * 1024)\ndef combine(a, b): return a + b\n"
    run = pipeline(size=2, workload=make_workload(source), batch_size=2)
    with pytest.raises(errors.WorkloadError, match="can't be kept, at item 1: a result may have 16777216"):
        run.first_output()


def test_storage_that_is_busy_is_left_to_retries_of_the_batch(pipeline: Any, make_workload: Any) -> None:
    source = (
        "from lambdas.run_files.errors import StorageUnavailableError\n"
        "def compute(item): raise StorageUnavailableError('S3 answered SlowDown')\n"
    )
    run = pipeline(size=1, workload=make_workload(source), tolerated_failure_percentage=100)
    with pytest.raises(errors.StorageUnavailableError):
        run.first_output()


def test_a_seed_in_params_alone_decides() -> None:
    assert seeds.run_seed("a", {"seed": 1, "x": 2}) == seeds.run_seed("b", {"seed": 1})
    assert len({seeds.run_seed("a", {"seed": seed}) for seed in (1, "1", None, [1])}) == 4
