"""A changed byte in any file of a run: Sum gives the same result, or an error that names what is wrong."""

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from disturbed_runs import FAILING, Disturbed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdas.batch import batch_items, parts
from lambdas.run_files import checksums, errors, indexed_items, runs

COMPUTE = (
    FAILING
    + """
def compute(item, params, index):
    check(index, params)
    return (item if isinstance(item, int) else item["n"]) + 1
"""
)
BYTES = FAILING + "def compute(item, params, index):\n    check(index, params)\n    return b'%d' % index * 20\n"
ADDITION = "def combine(a, b):\n    return a + b\n"
JOINED = "def finish(results):\n    return b''.join(result or b'-' for result in results)\n"
WORKLOADS = {"combined": COMPUTE + ADDITION, "listed": COMPUTE, "stored": BYTES + JOINED}
ITEMS = list(range(10, 30))
RESULT = json.dumps([item * 3 for item in ITEMS], separators=(",", ":"))
# What Sum writes: it reads none of it.
WRITTEN = ("result.json", "results.jsonl", "failed.jsonl", "result.bin", "result.npy")
EXAMPLES = settings(max_examples=80, derandomize=True, suppress_health_check=list(HealthCheck))


@dataclass
class Stored:
    """A run whose Sum has been through, and its files as they were before."""

    run: Any
    files: dict[str, bytes]
    expected: Any

    def check(self) -> bool:
        """Sum once more; return False for an error that has a name, and fail on any other and on another result."""
        try:
            outcome = self.outcome()
        except Exception as error:
            if type(error).__module__ != errors.__name__:
                raise
            return False
        assert outcome == self.expected
        return True

    def outcome(self) -> Any:
        runs.read_settings.cache_clear()
        return self.run.sum(), self.result_bin()

    def result_bin(self) -> bytes:
        listed = self.run.s3.list_objects_v2(Bucket=self.run.BUCKET, Prefix=f"runs/{self.run.name}/result.bin")
        return self.body(f"runs/{self.run.name}/result.bin") if listed["KeyCount"] else b""

    def body(self, key: str) -> bytes:
        return bytes(self.run.s3.get_object(Bucket=self.run.BUCKET, Key=key)["Body"].read())

    def put(self, key: str, body: bytes) -> None:
        self.run.s3.put_object(Bucket=self.run.BUCKET, Key=key, Body=body)


def stored(run: Any, *names: str) -> Stored:
    """Take a copy of all files of the runs ``names`` that Sum may read."""
    made = Stored(run, {}, None)
    for name in names:
        for page in run.s3.get_paginator("list_objects_v2").paginate(Bucket=run.BUCKET, Prefix=f"runs/{name}/"):
            for entry in page["Contents"]:
                if not entry["Key"].endswith(WRITTEN):
                    made.files[entry["Key"]] = made.body(entry["Key"])
    made.expected = made.outcome()
    return made


@pytest.fixture(scope="module")
def stored_runs(pipeline: Any, make_workload: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Stored]:
    """Runs of every kind of file: of a chain of two, with results in states, in parts and in objects."""
    made = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "FLUSH_BYTES", 2)
        for source in WORKLOADS.values():
            for data in ({"size": 6}, {"items": [{"n": index} for index in range(6)]}):
                disturbed = Disturbed(
                    pipeline,
                    tmp_path_factory.mktemp("runs"),
                    workload=make_workload(source),
                    tolerated_failure_percentage=100,
                    batch_size=2,
                    **data,
                )
                first = disturbed.first({1, 4}, {2})
                again = disturbed.next(first, {4})
                made += [stored(first, first.name), stored(again, first.name, again.name)]
                patch.setattr(parts, "FLUSH_BYTES", 10_000)
    return made


@EXAMPLES
@given(number=st.integers(0, 11), file=st.integers(0, 10**6), place=st.integers(0, 10**6), mask=st.integers(1, 255))
def test_flipped_byte_gives_the_same_result_or_a_named_error(
    stored_runs: list[Stored], number: int, file: int, place: int, mask: int
) -> None:
    each = stored_runs[number]
    key = sorted(each.files)[file % len(each.files)]
    body = bytearray(each.files[key])
    body[place % len(body)] ^= mask
    each.put(key, bytes(body))
    try:
        each.check()
    finally:
        each.put(key, each.files[key])


@EXAMPLES
@given(number=st.integers(0, 11), file=st.integers(0, 10**6), length=st.integers(0, 10**6))
def test_file_that_is_cut_off_or_missing_gives_the_same_result_or_a_named_error(
    stored_runs: list[Stored], number: int, file: int, length: int
) -> None:
    each = stored_runs[number]
    key = sorted(each.files)[file % len(each.files)]
    if length % 5 == 0:
        each.run.s3.delete_object(Bucket=each.run.BUCKET, Key=key)
    else:
        each.put(key, each.files[key][: length % len(each.files[key])])
    try:
        each.check()
    finally:
        each.put(key, each.files[key])


@pytest.mark.parametrize("source", ["combined", "listed"])
def test_digit_of_a_result_that_became_another_is_named_with_its_place(
    pipeline: Any, make_workload: Any, source: str, tmp_path: Path
) -> None:
    disturbed = Disturbed(pipeline, tmp_path, workload=make_workload(WORKLOADS[source]), size=2, batch_size=2)
    run = disturbed.first(set())
    key = f"runs/{run.name}/map/{run.name}/SUCCEEDED_0.json"
    whole = stored(run, run.name)
    result = "3" if source == "combined" else "[1,2]"
    before = f'\\"result\\":\\"{result}'.encode()
    assert whole.files[key].count(before) == 1
    whole.put(key, whole.files[key].replace(before, before.replace(b"3", b"4").replace(b"1,2", b"1,3")))
    with pytest.raises(errors.ResultFileError, match=rf"it has changed: .* \(record at byte 1 of s3://.*/{key}\)$"):
        whole.outcome()


@pytest.mark.parametrize("file", ["items.jsonl", "batches.jsonl", "run.json"])
@settings(EXAMPLES, max_examples=30)
@given(place=st.integers(0, 10**6), mask=st.integers(1, 255))
def test_flipped_byte_before_compute_gives_the_same_result_or_an_error(
    started: Callable[[], Any], file: str, place: int, mask: int
) -> None:
    run = started()
    key = f"runs/{run.name}/{file}"
    whole = run.text(file).encode()
    body = bytearray(whole)
    body[place % len(body)] ^= mask
    run.s3.put_object(Bucket=run.BUCKET, Key=key, Body=bytes(body))
    runs.read_settings.cache_clear()
    try:
        run.map()
    except (ValueError, UnicodeDecodeError):
        return  # batches.jsonl is no JSON Lines: ItemReader refuses it
    finally:
        run.s3.put_object(Bucket=run.BUCKET, Key=key, Body=whole)
        runs.read_settings.cache_clear()
    if not any(child.error for child in run.children):
        run.write_results()
        try:
            output = run.sum()
        except (errors.ResultFileError, errors.OverlappingResultsError, errors.MissingResultsError):
            return
        assert output["result"] == RESULT


@pytest.fixture
def started(pipeline: Any, make_workload: Any) -> Callable[[], Any]:
    name = make_workload("def compute(item, params):\n    return item * params['by']\n")

    def start() -> Any:
        runs.read_settings.cache_clear()
        run = pipeline(items=ITEMS, workload=name, batch_size=4, params={"by": 3})
        run.start()
        return run

    return start


def test_items_that_changed_are_named_with_their_place(started: Callable[[], Any]) -> None:
    run = started()
    body = run.text("items.jsonl").replace("17", "71")
    run.s3.put_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/items.jsonl", Body=body.encode())
    child = run.map()[1]
    was, found = (
        sum(number * zlib.crc32(b"%d\n" % item) for number, item in enumerate(items, 5)) % (2**53 - 111)
        for items in ([14, 15, 16, 17], [14, 15, 16, 71])
    )
    assert child.output == {
        "errorType": "ResultFileError",
        "errorMessage": f"s3://results-bucket/runs/{run.name}/items.jsonl has changed: the checksum of the items at "
        f"byte 12 is {found}, that of batch 1 was {was}",
    }


@pytest.mark.parametrize("size", [None, 2, 4, 20])
@settings(EXAMPLES, max_examples=40)
@given(order=st.permutations(range(20)) | st.tuples(st.integers(0, 19), st.integers(0, 19)))
def test_items_in_another_order_are_an_error_of_every_reader(
    pipeline: Any, make_workload: Any, size: int | None, order: Any
) -> None:
    lines = [b"%d\n" % item for item in ITEMS]
    moved = list(lines)
    if isinstance(order, tuple):
        moved[order[0]], moved[order[1]] = moved[order[1]], moved[order[0]]
    else:
        moved = [lines[place] for place in order]
    run = pipeline(
        items=ITEMS,
        workload=make_workload("def compute(item):\n    return item\n"),
        **({} if size is None else {"batch_size": size}),
    )
    run.start()
    run.s3.put_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/items.jsonl", Body=b"".join(moved))
    has_errors = [child.error for child in run.map() if child.error]
    assert set(has_errors) == ({"ResultFileError"} if moved != lines else set())
    read = indexed_items.read_checked_lines(run.BUCKET, run.name, max_line_bytes=100)
    if moved != lines:
        with pytest.raises(errors.ResultFileError, match=r"items\.jsonl has changed"):
            list(read)
    else:
        assert list(read) == lines


@pytest.mark.parametrize("fields", [("offset", "bytes", "checksum"), ("batch",), ("first",), None])
def test_batches_that_exchanged_lines_or_places_are_an_error(started: Callable[[], Any], fields: Any) -> None:
    run = started()
    batches = run.batches()
    if fields is None:
        batches[1], batches[2] = batches[2], batches[1]
    else:
        first, second = dict(batches[1]), dict(batches[2])
        batches[1] |= {field: second[field] for field in fields}
        batches[2] |= {field: first[field] for field in fields}
    body = "".join(f"{json.dumps(batch)}\n" for batch in batches).encode()
    run.s3.put_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/batches.jsonl", Body=body)
    if any(child.error == "ResultFileError" for child in run.map()):
        return
    run.write_results()
    with pytest.raises(errors.ResultFileError, match=r"line [23] of .*batches\.jsonl is broken"):
        run.sum()


def test_checksum_of_a_batch_goes_from_window_to_window_and_from_invocation_to_invocation(
    started: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_items, "WINDOW_BYTES", 6)
    run = started()
    assert max(child.invocations for child in run.map(seconds=0.001)) > 1
    run.write_results()
    assert run.sum()["result"] == RESULT


def test_seal_does_not_depend_on_the_order_of_keys() -> None:
    value = checksums.with_checksum({"a": 1, "b": {"c": [1.5, "ü"], "d": None}})
    turned = {"sha256": value["sha256"], "b": {"d": None, "c": [1.5, "ü"]}, "a": 1}
    assert checksums.without_checksum(json.loads(json.dumps(turned, ensure_ascii=False))) == {"a": 1, "b": turned["b"]}
