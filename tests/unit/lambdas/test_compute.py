"""Compute: results of a batch, bad items found, batches that need more than one invocation."""

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas import compute
from lambdas.batch import parts
from lambdas.batch.batch_items import BatchItems, ReadPosition, neighbour_ends
from lambdas.run_files import checksums, errors, storage
from lambdas.run_files.runs import Batch, add_line

LONG_TEXT = "def compute(item): return 'x' * item\n"
ADDITION = "def combine(a, b): return a + b\n"


def context(seconds: float = 900) -> Any:
    return SimpleNamespace(get_remaining_time_in_millis=lambda: int(seconds * 1000))


def test_compute_returns_the_combined_result_as_text(pipeline: Any) -> None:
    run = pipeline(size=10, workload="squares", batch_size=4)
    output = {
        "done": True,
        "run": run.name,
        "batch": 0,
        "first": 0,
        "count": 4,
        "parts": [{"first": 0, "count": 4, "result": "14"}],
    }
    assert run.first_output() == checksums.with_checksum(output)


def test_compute_returns_results_in_item_order_where_nothing_combines(pipeline: Any, make_workload: Any) -> None:
    run = pipeline(items=["a", 1.5, None], workload=make_workload("def compute(item): return [item]"), batch_size=3)
    assert run.first_output()["parts"] == [{"first": 0, "count": 3, "result": '[["a"],[1.5],[null]]'}]


def test_compute_of_an_empty_batch_is_done(pipeline: Any) -> None:
    assert pipeline(size=0).first_output()["parts"] == []


def test_compute_keeps_integers_beyond_4300_digits(pipeline: Any) -> None:
    [part] = pipeline(items=[2100]).first_output()["parts"]
    assert len(part["result"]) > 4300
    assert json.dumps(int(part["result"])) == part["result"]


def test_compute_reads_settings_once_a_run(s3: Any, pipeline: Any) -> None:
    run = pipeline(size=4, workload="squares", batch_size=1)
    run.first_output()
    s3.delete_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/run.json")
    requests: list[str] = []
    storage.s3_client().meta.events.register("before-call.s3", lambda model, **_: requests.append(model.name))
    assert compute.handler({"run": run.name, "batch": run.batches()[1]}, context())["done"]
    assert requests == ["GetObject"]  # batches.jsonl, which this test itself reads


@pytest.mark.parametrize("source", [ADDITION, ""])
@pytest.mark.parametrize("count", [1, 3, 40])
def test_compute_spills_long_results(s3: Any, pipeline: Any, make_workload: Any, source: str, count: int) -> None:
    run = pipeline(items=[300_000 // count] * count, workload=make_workload(LONG_TEXT + source), batch_size=count)
    output = run.first_output()
    [part] = output["parts"]
    key = f"runs/{run.name}/parts/0-0-{count}.json"
    assert {**part, "bytes": 0, "sha256": ""} == {
        "first": 0,
        "count": count,
        "failed_count": 0,
        "key": key,
        "bytes": 0,
        "sha256": "",
    }
    body = s3.get_object(Bucket=run.BUCKET, Key=key)["Body"].read()
    assert (len(body), checksums.sha256(body)) == (part["bytes"], part["sha256"])
    assert len(json.loads(body)["result"]) >= 300_000 // count * count


def test_compute_writes_parts_while_it_computes(pipeline: Any, make_workload: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(parts, "FLUSH_BYTES", 1000)
    run = pipeline(items=[400] * 10, workload=make_workload(LONG_TEXT), batch_size=10)
    output = run.first_output()
    assert [part["count"] for part in output["parts"]] == [3, 3, 3, 1]
    assert ["key" in part for part in output["parts"]] == [True, True, True, False]


def test_compute_spills_a_long_list_of_failures(pipeline: Any, make_workload: Any) -> None:
    name = make_workload("def compute(item): raise ValueError('x' * 10_000)\n")
    run = pipeline(size=1000, workload=name, batch_size=1000, tolerated_failure_percentage=100)
    [part] = run.first_output()["parts"]
    assert (part["failed_count"], "key" in part) == (1000, True)
    failed = json.loads(run.text(f"parts/{part['key'].rpartition('/')[2]}"))["failed"]
    assert [failure["index"] for failure in failed] == list(range(1000))
    assert {len(failure["message"]) for failure in failed} == {500}
    assert all(1_990 < len(failure["traceback"]) <= 2_000 for failure in failed)


BAD_ITEM = {
    "compute": "def compute(item):\n    if item in (3, 4, 9): raise ValueError(f'bad {item}')\n    return item\n",
    "lazy": "def compute_batch(items):\n    for item in items:\n"
    "        if item in (3, 4, 9): raise ValueError(f'bad {item}')\n        yield item\n",
    "eager": "def compute_batch(items):\n    for item in items:\n"
    "        if item in (3, 4, 9): raise ValueError(f'bad {item}')\n    return list(items)\n",
}


@pytest.mark.parametrize("source", BAD_ITEM.values(), ids=BAD_ITEM)
def test_compute_names_the_first_bad_item_without_tolerance(pipeline: Any, make_workload: Any, source: str) -> None:
    run = pipeline(size=12, workload=make_workload(source), batch_size=12)
    with pytest.raises(errors.ItemFailedError, match=r"^item 3 failed: ValueError: bad 3 \(made_\w+\.py:\d in compute"):
        run.first_output()


@pytest.mark.parametrize("source", BAD_ITEM.values(), ids=BAD_ITEM)
def test_compute_isolates_bad_items_under_tolerance(pipeline: Any, make_workload: Any, source: str) -> None:
    run = pipeline(size=12, workload=make_workload(source), batch_size=12, tolerated_failure_percentage=1)
    [part] = run.first_output()["parts"]
    failed = part.pop("failed")
    assert part == {"first": 0, "count": 12, "result": "[0,1,2,5,6,7,8,10,11]"}
    assert [(failure["index"], failure["error_type"]) for failure in failed] == [
        (index, "ValueError") for index in (3, 4, 9)
    ]
    for failure in failed:
        assert failure["message"].startswith(f"bad {failure['index']} (made_")
        assert failure["traceback"].endswith(f"ValueError: bad {failure['index']}")


CHANGES_ITEMS = """
def compute_batch(items):
    for item in items:
        item["x"] *= 2
        if item["x"] in (6, 8):
            raise ValueError(item["x"])
    return [item["x"] for item in items]
"""
LAZY_CHANGES = CHANGES_ITEMS.replace("    return [item", "        yield item").replace(" for item in items]", "")


@pytest.mark.parametrize("source", [CHANGES_ITEMS, LAZY_CHANGES], ids=["eager", "lazy"])
@pytest.mark.parametrize("batch_size", [1, 4, 10])
def test_compute_computes_what_was_given_whatever_an_earlier_try_changed(
    pipeline: Any, make_workload: Any, source: str, batch_size: int
) -> None:
    items = [{"x": number} for number in range(10)]
    name = make_workload(source)
    run = pipeline(items=items, workload=name, batch_size=batch_size, tolerated_failure_percentage=50)
    result = run.run()
    assert json.loads(result["result"]) == [0, 2, 4, None, None, 10, 12, 14, 16, 18]
    assert result["failed"] == 2


CHANGES_PARAMS = {
    "compute": "def compute(item, params): return params.pop('n', 1)",
    "seed": "def compute(item, params, seed):\n    params['last'] = item\n    return seed % 7",
    "deep": "def compute(item, params): return len(params['list'].append(item) or [])",
    "compute_batch": "def compute_batch(items, params):\n    params['n'] += 1\n    return items",
    "items": "def items(size, params):\n    for n in range(size):\n        params['n'] = n\n        yield n\n"
    "def compute(item, params): return params['n']",
}


@pytest.mark.parametrize("kind", CHANGES_PARAMS)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_workload_that_changes_the_params_of_all_items_is_refused(
    pipeline: Any, make_workload: Any, kind: str, batch_size: int
) -> None:
    name = make_workload(CHANGES_PARAMS[kind])
    run = pipeline(size=6, workload=name, batch_size=batch_size, params={"n": 2, "list": []})
    function = kind if kind in ("compute_batch", "items") else "compute"
    with pytest.raises(errors.WorkloadError, match=f"^{function} of workload {name} changed its params"):
        run.first_output()


@pytest.mark.parametrize("arguments", ["item", "item, seed"])
def test_compute_that_raises_stop_iteration_has_a_bad_item(pipeline: Any, make_workload: Any, arguments: str) -> None:
    name = make_workload(f"def compute({arguments}): return next(n for n in [item] if n != 3)\n")
    run = pipeline(size=5, workload=name, batch_size=5, tolerated_failure_percentage=50)
    [part] = run.first_output()["parts"]
    assert part["result"] == "[0,1,2,4]"
    [failure] = part["failed"]
    assert (failure["index"], failure["error_type"]) == (3, "RuntimeError")
    assert failure["message"].startswith("compute raised StopIteration")


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (r"ValueError('half \ud800 of a pair')", r"ValueError: half \ud800 of a pair"),
        ("Odd()", "Odd: its message can't be read: RuntimeError"),
    ],
)
def test_compute_tells_of_an_error_whose_message_is_no_text(
    pipeline: Any, make_workload: Any, raised: str, told: str
) -> None:
    source = "class Odd(Exception):\n    def __str__(self): raise RuntimeError\n"
    name = make_workload(f"{source}def compute(item):\n    if item == 3: raise {raised}\n    return item\n")
    run = pipeline(size=5, workload=name, batch_size=5, tolerated_failure_percentage=50)
    [failure] = run.first_output()["parts"][0]["failed"]
    assert f"{failure['error_type']}: {failure['message']}".startswith(f"{told} (made_")


@pytest.mark.parametrize("kind", BAD_ITEM)
@settings(max_examples=20)
@given(bad=st.sets(st.integers(0, 29)), file_items=st.booleans())
def test_compute_accounts_for_every_item_whichever_are_bad(
    pipeline: Any, make_workload: Any, kind: str, bad: set[int], file_items: bool
) -> None:
    name = make_workload(BAD_ITEM[kind].replace("in (3, 4, 9)", f"in {tuple(bad)}"))
    data = {"items": list(range(30))} if file_items else {"size": 30}
    [part] = pipeline(**data, workload=name, batch_size=30, tolerated_failure_percentage=1).first_output()["parts"]
    assert json.loads(part.get("result", "[]")) == [item for item in range(30) if item not in bad]
    assert [failure["index"] for failure in part.get("failed", [])] == sorted(bad)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{1: 2}", "the key 1 of type int"),
        ("[{'a': {1}}]", "got builtins.set"),
        ("float('nan')", "nan is not JSON"),
        ("[float('-inf')]", "-inf is not JSON"),
        ("(n for n in [1])", "got builtins.generator: a generator where a value is due"),
        ("compute", "got builtins.function: a function that was not called"),
        ("object()", "got builtins.object"),
    ],
)
def test_compute_refuses_results_that_json_would_change(
    pipeline: Any, make_workload: Any, value: str, message: str
) -> None:
    run = pipeline(size=1, workload=make_workload(f"def compute(item): return {value}"))
    with pytest.raises(errors.ItemFailedError, match=message):
        run.first_output()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def compute_batch(items): return [0] * (len(items) - 1)", "it gave no result for item 4"),
        ("def compute_batch(items): return [0] * (len(items) + 1)", "it gave more results than items"),
        (
            "def compute_batch(items):\n    yield from items\n    raise ValueError('late')",
            "after its last result: .*late",
        ),
        ("def compute_batch(items): return 'five!'", "must yield one result an item, got str"),
        ("def compute_batch(items): return 7", "must yield one result an item, got int"),
        ("def compute(item): return item\ndef combine(a, b): return a // b // 0", "combine raised at item 1: ZeroDiv"),
        (
            "def compute(item): return item\ndef combine(a, b): return {a, b}",
            "what combine returned can't be kept, at item 1",
        ),
    ],
)
@pytest.mark.parametrize("tolerance", [0, 100])
def test_compute_names_how_a_workload_breaks_the_contract(
    pipeline: Any, make_workload: Any, source: str, message: str, tolerance: int
) -> None:
    count = 2 if "combine returned" in message else 5
    name = make_workload(source)
    run = pipeline(size=count, workload=name, batch_size=count, tolerated_failure_percentage=tolerance)
    with pytest.raises(errors.WorkloadError, match=message):
        run.first_output()


def test_compute_leaves_errors_of_s3_to_retries(s3: Any, pipeline: Any, make_workload: Any) -> None:
    """A part that can't be written is no item's fault, tolerated or not."""
    run = pipeline(items=[300_000], workload=make_workload(LONG_TEXT), tolerated_failure_percentage=100)
    run.start()
    event = {"run": run.name, "batch": run.batches()[0]}
    compute.handler(event, context())

    def refuse(**_: Any) -> Any:
        return SimpleNamespace(status_code=503, headers={}, content=b""), {
            "Error": {"Code": "SlowDown", "Message": "Reduce your request rate"},
            "ResponseMetadata": {"HTTPStatusCode": 503, "HTTPHeaders": {}},
        }

    storage.s3_client().meta.events.register("before-call.s3.PutObject", refuse)
    try:
        with pytest.raises(errors.StorageUnavailableError, match="S3 answered SlowDown for s3://results-bucket/runs/"):
            compute.handler(event, context())
    finally:
        storage.s3_client().meta.events.unregister("before-call.s3.PutObject", refuse)


def test_compute_reads_items_in_windows(pipeline: Any, make_workload: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("lambdas.batch.batch_items.WINDOW_BYTES", 64)
    for source in ("def compute(item): return item", "def compute_batch(items): return items"):
        items = ["x" * (index % 50) for index in range(40)]
        run = pipeline(items=items, workload=make_workload(source), batch_size=17)
        assert json.loads(run.run()["result"]) == items


@given(st.lists(st.integers(0, 30), unique=True).map(sorted))
def test_neighbours_end_where_an_index_is_left_out(indexes: list[int]) -> None:
    for position, end in enumerate(neighbour_ends(indexes)):
        follow = [index - indexes[position] == number for number, index in enumerate(indexes[position:])]
        assert end - position == (follow.index(False) if False in follow else len(follow))


@pytest.mark.parametrize("step", [1, 2])
def test_items_of_a_redrive_are_sliced_in_time_that_grows_with_their_number_only(s3: Any, step: int) -> None:
    count = 20_000  # 36 s where every slice looks at all that follow
    lines = [b'{"index":%d}\n' % index for index in range(0, count * step, step)]
    checksum = 0
    for position, line in enumerate(lines):
        checksum = add_line(checksum, position, line)
    key, data = f"runs/sliced-{step}/items.jsonl", b"".join(lines)
    s3.put_object(Bucket="results-bucket", Key=key, Body=data)
    batch = Batch(0, 0, count, key, 0, len(data), checksum)
    items = BatchItems("results-bucket", batch, 0, ReadPosition(0, 0), is_indexed=True)
    begin = time.process_time()
    for position in range(count):
        rest = items.slice(position, None)
        assert (rest[0], len(rest)) == (position * step, count - position if step == 1 else 1)
    assert time.process_time() - begin < 5


def test_compute_names_an_items_file_that_changed(s3: Any, pipeline: Any) -> None:
    for body in (b"[1", b"[1\n", b""):
        run = pipeline(items=[1, 2], workload="squares", batch_size=2)
        run.start()
        s3.put_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/items.jsonl", Body=body)
        with pytest.raises(errors.ResultFileError, match=r"items\.jsonl (holds no whole item 0|is broken near byte 0)"):
            compute.handler({"run": run.name, "batch": run.batches()[0]}, context())


BATCH = {"batch": 0, "first": 0, "count": 1}


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (None, "Compute takes"),
        ({}, "Compute takes"),
        ({"run": "a"}, "Compute takes"),
        ({"run": "a", "batch": BATCH, "more": 1}, "Compute takes"),
        ({"run": "../a", "batch": BATCH}, "run must be the name of a run"),
        ({"run": 5, "batch": BATCH}, "run must be the name of a run"),
        ({"run": "a", "batch": {"batch": 0}}, "a batch is"),
        (
            {"run": "a", "batch": BATCH | {"key": "runs/b/items.jsonl", "offset": 0, "bytes": 2, "checksum": 0}},
            "must be under runs/a/",
        ),
    ],
)
def test_compute_refuses_events_that_the_state_machine_does_not_send(event: Any, message: str) -> None:
    with pytest.raises(errors.InvalidEventError, match=message):
        compute.handler(event, context())


@pytest.mark.parametrize("next_index", [-1, 2, "0", None])
def test_compute_refuses_to_go_on_outside_of_its_batch(pipeline: Any, next_index: Any) -> None:
    run = pipeline(size=1, workload="squares")
    run.start()
    paused = {
        "done": False,
        "run": run.name,
        "batch": BATCH,
        "next": next_index,
        "offset": 0,
        "checksum": 0,
        "limit": None,
        "parts": [],
    }
    with pytest.raises(errors.InvalidEventError, match="next must be 0 to 1"):
        compute.handler(paused, context())


def test_compute_names_the_run_that_is_missing(s3: Any) -> None:
    with pytest.raises(errors.StorageAccessError, match=r"s3://results-bucket/runs/no-such-run/run\.json is missing"):
        compute.handler({"run": "no-such-run", "batch": BATCH}, context())
