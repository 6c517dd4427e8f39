"""Distributed Maps over files, listings and objects, and what becomes of the ones that can't be read or written."""

import asyncio
import gzip
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sfn_local.language.definition import InvalidDefinition
from sfn_local.maps import item_formats, item_reader
from state_machines import BUCKET, Home, open_home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with open_home(tmp_path_factory.mktemp("home")) as opened:
        yield opened


def machine(**fields: Any) -> dict[str, Any]:
    """A Distributed Map that returns what each child was given."""
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Accept",
        "States": {"Accept": {"Type": "Pass", "End": True}},
    }
    return {"StartAt": "Map", "States": {"Map": {"Type": "Map", "ItemProcessor": processor, "End": True, **fields}}}


def reader(key: str, **config: Any) -> dict[str, Any]:
    return {
        "Resource": "arn:aws:states:::s3:getObject",
        "Parameters": {"Bucket": BUCKET, "Key": key},
        "ReaderConfig": config,
    }


JSON_LINES = '{"n":1}\n\n[2]\n"three"\n'

FILES = [
    ("lines.jsonl", JSON_LINES, {"InputType": "JSONL"}, [{"n": 1}, [2], "three"]),
    ("packed", gzip.compress(JSON_LINES.encode()), {"InputType": "JSONL"}, [{"n": 1}, [2], "three"]),
    ("array.json", '[1, {"a": [2, {}]}, null]', {"InputType": "JSON"}, [1, {"a": [2, {}]}, None]),
    ("empty.json", "[]", {"InputType": "JSON"}, []),
    ("big.json", "[12345678901234567890123, 1.5]", {"InputType": "JSON"}, [12345678901234567890123, 1.5]),
    (
        "object.json",
        '{"servers": {"b": {"port": 80}, "a": 2}}',
        {"InputType": "JSON", "ItemsPointer": "/servers"},
        [{"Key": "b", "Value": {"port": 80}}, {"Key": "a", "Value": 2}],
    ),
    (
        "nested.json",
        '{"x.y": [9], "skip": {"items": [8]}, "x": {"y": [7], "a/b": {"c~d": [1, 2]}}, "rest": 1}',
        {"InputType": "JSON", "ItemsPointer": "/x/a~1b/c~0d"},
        [1, 2],
    ),
    ("limited.json", "[1, 2, 3]", {"InputType": "JSON", "MaxItems": 2}, [1, 2]),
    (
        "table.csv",
        '\ufeffid,"a, b"\r\n1,"x\ny"\r\n\r\n2\r\n3,"q""q",more\r\n',
        {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
        [{"id": "1", "a, b": "x\ny"}, {"id": "2", "a, b": ""}, {"id": "3", "a, b": 'q"q'}],
    ),
    (
        "escapes.csv",
        'x\\,y|z,{""MyKey"":""MyValue""}\nC:\\\\Program Files,\\q\n',
        {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a", "b"]},
        [{"a": "x,y|z", "b": '{"MyKey":"MyValue"}'}, {"a": "C:\\Program Files", "b": "q"}],
    ),
    ("marked.json", "\ufeff[1]", {"InputType": "JSON"}, [1]),
    ("marked.jsonl", "\ufeff1\n", {"InputType": "JSONL"}, [1]),
    ("marked.gz", gzip.compress("\ufeff[1]".encode()), {"InputType": "JSON"}, [1]),
    *(
        (
            f"{name}.csv",
            f"1{sign}2\n",
            {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a", "b"], "CSVDelimiter": name},
            [{"a": "1", "b": "2"}],
        )
        for name, sign in {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}.items()
    ),
]


@pytest.mark.parametrize(("key", "body", "config", "items"), FILES, ids=[file[0] for file in FILES])
def test_items_of_a_file_are_what_it_holds(
    home: Home, key: str, body: str | bytes, config: dict[str, Any], items: list[Any]
) -> None:
    home.put(key, body)
    row = home.run(machine(ItemReader=reader(key, **config)))
    assert (row.error, row.cause) == (None, None)
    assert json.loads(row.output) == items


BROKEN = [
    ("broken.jsonl", "1\n{", {"InputType": "JSONL"}, "line 2 is not JSON"),
    ("nan.jsonl", "NaN\n", {"InputType": "JSONL"}, "NaN is not a JSON number"),
    ("broken.json", "[1, 2", {"InputType": "JSON"}, "premature EOF"),
    ("trailing.json", "[1] 2", {"InputType": "JSON"}, "trailing garbage"),
    ("scalar.json", "3", {"InputType": "JSON"}, "Attempting to map over non-iterable node."),
    ("pairs.json", '{"a": 1}', {"InputType": "JSON"}, "Attempting to map over non-iterable node."),
    ("text.json", '{"a": "b"}', {"InputType": "JSON", "ItemsPointer": "/a"}, "map over non-iterable node."),
    ("absent.json", '{"a": 1}', {"InputType": "JSON", "ItemsPointer": "/b"}, "no member at /b"),
    ("through.json", '{"a": 1}', {"InputType": "JSON", "ItemsPointer": "/a/b"}, "no member at /a/b"),
    ("huge.json", "[1e999]", {"InputType": "JSON"}, "is not a number"),
    ("latin.csv", b"a\n\xff\n", {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, "codec can't decode"),
    ("none.csv", "", {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, "CSV file has no header row"),
    ("twice.csv", "a,a\n", {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, "cannot contain duplicates"),
    ("open.csv", 'a\n"b\n', {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, "line 2 has a quotation mark"),
    ("large.jsonl", "1\n-1e400", {"InputType": "JSONL"}, "-1e400 is too large a number"),
    ("packed.zst", b"\x28\xb5\x2f\xfd", {"InputType": "JSONL"}, "zstd"),
    ("cut.gz", gzip.compress(JSON_LINES.encode())[:-9], {"InputType": "JSONL"}, "ended before"),
]


@pytest.mark.parametrize(("key", "body", "config", "cause"), BROKEN, ids=[file[0] for file in BROKEN])
def test_file_that_is_not_of_its_format_fails_the_map_run(
    home: Home, key: str, body: str | bytes, config: dict[str, Any], cause: str
) -> None:
    home.put(key, body)
    row = home.run(machine(ItemReader=reader(key, **config)))
    assert (row.status, row.error) == ("FAILED", "States.ItemReaderFailed")
    assert cause in row.cause
    assert home.map_run(row.arn)["status"] == "FAILED"


@pytest.mark.parametrize(
    ("parameters", "cause"),
    [
        ({"Bucket": BUCKET, "Key": "missing"}, "the key does not exist"),
        ({"Bucket": "no-such-bucket", "Key": "a"}, "the bucket does not exist"),
        ({"Bucket": BUCKET}, "parameter Key of ItemReader must be a text"),
        ({"Bucket": BUCKET, "Key": "a", "VersionId": "1"}, "parameter VersionId of ItemReader is not supported"),
    ],
)
def test_item_reader_that_names_nothing_fails_the_map_run(home: Home, parameters: dict[str, str], cause: str) -> None:
    fields = {**reader("", InputType="JSON"), "Parameters": parameters}
    row = home.run(machine(ItemReader=fields))
    assert (row.error, cause in row.cause) == ("States.ItemReaderFailed", True), row.cause


def test_listing_gives_the_objects_below_the_prefix(home: Home) -> None:
    for name in ("a", "b"):
        home.put(f"listed/{name}", name)
    fields = {
        "Resource": "arn:aws:states:::s3:listObjectsV2",
        "Parameters": {"Bucket": BUCKET, "Prefix": "listed/"},
    }
    selector = {"source.$": "$$.Map.Item.Source", "key.$": "$$.Map.Item.Value.Key", "size.$": "$$.Map.Item.Value.Size"}
    row = home.run(machine(ItemReader=fields, ItemSelector=selector))
    source = f"s3://{BUCKET}"
    assert json.loads(row.output) == [{"source": source, "key": f"listed/{name}", "size": 1} for name in ("a", "b")]


@pytest.mark.parametrize(
    ("config", "bodies", "items"),
    [
        ({"InputType": "JSON"}, {"a": "[1, 2]", "b": "[]", "c": "[3]"}, [("a", 1), ("a", 2), ("c", 3)]),
        ({"InputType": "JSONL", "MaxItems": 2}, {"a": "1\n", "b": gzip.compress(b"2\n3\n")}, [("a", 1), ("b", 2)]),
        (
            {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            {"a": "n\n1\n", "b": "m\n2\n"},
            [("a", {"n": "1"}), ("b", {"m": "2"})],
        ),
    ],
    ids=["JSON", "JSONL", "CSV"],
)
def test_objects_of_a_listing_are_loaded_and_their_items_flattened(
    home: Home, config: dict[str, Any], bodies: dict[str, str | bytes], items: list[tuple[str, Any]]
) -> None:
    for name, body in bodies.items():
        home.put(f"loaded/{config['InputType']}/{name}", body)
    fields = loading(f"loaded/{config['InputType']}/", **config)
    selector = {"source.$": "$$.Map.Item.Source", "value.$": "$$.Map.Item.Value", "index.$": "$$.Map.Item.Index"}
    row = home.run(machine(ItemReader=fields, ItemSelector=selector))
    place = f"s3://{BUCKET}/loaded/{config['InputType']}"
    assert (row.error, row.cause) == (None, None)
    assert json.loads(row.output) == [
        {"source": f"{place}/{name}", "value": value, "index": index} for index, (name, value) in enumerate(items)
    ]


def test_loaded_object_that_is_not_of_its_format_is_named(home: Home) -> None:
    home.put("mixed/a", "[1]")
    home.put("mixed/b", "no JSON")
    row = home.run(machine(ItemReader=loading("mixed/", InputType="JSON")))
    assert (row.error, f"s3://{BUCKET}/mixed/b" in row.cause) == ("States.ItemReaderFailed", True), row.cause


@pytest.mark.parametrize(
    ("resource", "config", "reason"),
    [
        ("getObject", {"InputType": "JSON", "Transformation": "LOAD_AND_FLATTEN"}, "needs the resource"),
        ("listObjectsV2", {"Transformation": "LOAD_AND_FLATTEN"}, "InputType is missing"),
        ("listObjectsV2", {"Transformation": "FLATTEN"}, "NONE, LOAD_AND_FLATTEN"),
    ],
)
def test_transformation_that_does_not_fit_is_refused(
    home: Home, resource: str, config: dict[str, Any], reason: str
) -> None:
    fields = {"Resource": f"arn:aws:states:::s3:{resource}", "Parameters": {"Bucket": BUCKET}, "ReaderConfig": config}
    with pytest.raises(InvalidDefinition, match=reason):
        home.register("refused", machine(ItemReader=fields))


def loading(prefix: str, **config: Any) -> dict[str, Any]:
    return {
        "Resource": "arn:aws:states:::s3:listObjectsV2",
        "Parameters": {"Bucket": BUCKET, "Prefix": prefix},
        "ReaderConfig": {"Transformation": "LOAD_AND_FLATTEN", **config},
    }


@pytest.mark.parametrize(
    ("config", "body"),
    [
        ({"InputType": "JSONL"}, b'"%s"\n' % (b"x" * item_formats.MAX_ITEM_BYTES)),
        ({"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a"]}, b"xx,y" * (3 * 1024**2)),
    ],
    ids=["JSONL", "CSV"],
)
def test_item_over_the_limit_of_an_item_fails_the_map_run(home: Home, config: dict[str, Any], body: bytes) -> None:
    home.put("items over the limit", body)
    selector = {"index.$": "$$.Map.Item.Index"}
    row = home.run(machine(ItemReader=reader("items over the limit", **config), ItemSelector=selector))
    assert (row.error, "longer than an item may be" in row.cause) == ("States.ItemReaderFailed", True), row.cause


def test_file_over_the_limit_of_a_file_fails_the_map_run(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_reader, "MAX_FILE_BYTES", 3)
    home.put("small", "[]")
    assert home.run(machine(ItemReader=reader("small", InputType="JSON"))).error is None
    home.put("large", "[1]\n")
    row = home.run(machine(ItemReader=reader("large", InputType="JSON")))
    assert (row.error, "4 bytes, at most 3" in row.cause) == ("States.ItemReaderFailed", True), row.cause


def test_object_in_the_input_is_iterated_pair_by_pair_with_its_keys_in_the_context(home: Home) -> None:
    selector = {"key.$": "$$.Map.Item.Key", "value.$": "$$.Map.Item.Value", "index.$": "$$.Map.Item.Index"}
    payload = {"servers": {"web": 1, "db": 2}}
    pairs = home.run(machine(ItemsPath="$.servers"), payload)
    selected = home.run(machine(ItemsPath="$.servers", ItemSelector=selector), payload)
    assert json.loads(pairs.output) == [{"Key": "web", "Value": 1}, {"Key": "db", "Value": 2}]
    assert json.loads(selected.output) == [
        {"key": "web", "value": 1, "index": 0},
        {"key": "db", "value": 2, "index": 1},
    ]


@pytest.mark.parametrize(
    ("parameters", "cause"),
    [
        ({"Bucket": "no-such-bucket"}, "Failed to write a test manifest into the specified output bucket"),
        ({"Prefix": "p"}, "parameter Bucket of ResultWriter is missing"),
        ({"Bucket": BUCKET, "ACL": "x"}, "parameter ACL of ResultWriter is not supported"),
    ],
)
def test_result_writer_that_can_not_write_fails_before_any_child_starts(
    home: Home, parameters: dict[str, str], cause: str
) -> None:
    writer = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": parameters}
    row = home.run(machine(ResultWriter=writer), [1, 2])
    assert (row.error, cause in row.cause) == ("States.ResultWriterFailed", True), row.cause
    events = [event["type"] for event in home.events(row.arn)]
    assert not [kind for kind in events if kind == "MapRunSucceeded"]


WRITERS = [
    ("NONE", "JSON", None),
    ("COMPACT", "JSON", "[[1,2],3]"),
    ("COMPACT", "JSONL", "[1,2]\n3\n"),
    ("FLATTEN", "JSON", "[1,2,3]"),
    ("FLATTEN", "JSONL", "1\n2\n3\n"),
]


@pytest.mark.parametrize(("transformation", "output_type", "text"), WRITERS)
def test_result_writer_formats_what_children_give(
    home: Home, transformation: str, output_type: str, text: str | None
) -> None:
    writer = {
        "Resource": "arn:aws:states:::s3:putObject",
        "Parameters": {"Bucket": BUCKET, "Prefix": "out/"},
        "WriterConfig": {"Transformation": transformation, "OutputType": output_type},
    }
    row = home.run(machine(ResultWriter=writer, MaxConcurrency=1), [[1, 2], 3])
    manifest = json.loads(home.read(json.loads(row.output)["ResultWriterDetails"]["Key"]))
    (file,) = manifest["ResultFiles"]["SUCCEEDED"]
    written = home.read(file["Key"])
    assert file["Key"].startswith("out/")
    assert file["Key"].endswith("SUCCEEDED_0.json" + ("l" if output_type == "JSONL" else ""))
    assert file["Size"] == len(written)
    if text is None:
        assert [json.loads(record["Output"]) for record in json.loads(written)] == [[1, 2], 3]
    else:
        assert written == text


@pytest.mark.parametrize(
    ("config", "output"), [({"Transformation": "FLATTEN"}, [1, 2, 3]), ({"OutputType": "JSON"}, [[1, 2], 3])]
)
def test_writer_config_alone_formats_the_output_of_the_state(
    home: Home, config: dict[str, str], output: list[Any]
) -> None:
    row = home.run(machine(ResultWriter={"WriterConfig": config}), [[1, 2], 3])
    assert json.loads(row.output) == output


def test_results_that_fill_several_files_appear_together_or_not_at_all(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sfn_local.maps.result_writer.MAX_FILE_BYTES", 1)
    parameters = {"Bucket": BUCKET, "Prefix": "several/"}
    config = {"Transformation": "COMPACT", "OutputType": "JSON"}
    writer = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": parameters, "WriterConfig": config}
    open_writer = home.objects.open_writer

    def open_but_the_last(bucket: str, key: str, **settings: Any) -> Any:
        if key.endswith("SUCCEEDED_2.json"):
            raise OSError("no room")
        return open_writer(bucket, key, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(home.objects, "open_writer", open_but_the_last)
        failed = home.run(machine(ResultWriter=writer, MaxConcurrency=1), [1, 2, 3])
    assert failed.error == "States.ResultWriterFailed"
    assert home.objects.list(BUCKET, prefix="several/").objects == []
    row = home.run(machine(ResultWriter=writer, MaxConcurrency=1), [1, 2, 3])
    manifest = json.loads(home.read(json.loads(row.output)["ResultWriterDetails"]["Key"]))
    files = manifest["ResultFiles"]["SUCCEEDED"]
    assert [(home.read(file["Key"]), file["Size"]) for file in files] == [("[1]", 3), ("[2]", 3), ("[3]", 3)]


@pytest.mark.parametrize("held", ["SUCCEEDED_0.json", "manifest.json"])
def test_stopped_execution_writes_no_results_after_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    reached, released = threading.Event(), threading.Event()
    writer = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": BUCKET, "Prefix": "out/"}}
    with open_home(tmp_path) as home:
        open_writer = home.objects.open_writer

        def open_and_hold(bucket: str, key: str, **settings: Any) -> Any:
            if key.endswith(held):
                reached.set()
                assert released.wait(timeout=60)
            return open_writer(bucket, key, **settings)

        monkeypatch.setattr(home.objects, "open_writer", open_and_hold)
        arn = home.register("stopped", machine(ResultWriter=writer))

        async def stop_while_results_are_written() -> Any:
            execution = await home.start(arn, [1, 2])
            assert await asyncio.to_thread(reached.wait, 60)
            home.machines.executions.stop(execution.row.arn, None, "enough")
            for _ in range(100):  # what is cancelled learns of it before the thread goes on
                await asyncio.sleep(0)
            released.set()
            row = await execution.ended
            await asyncio.get_running_loop().shutdown_default_executor()
            return row

        assert home.do(stop_while_results_are_written()).status == "ABORTED"
        keys = [info.key for info in home.objects.list(BUCKET, prefix="out/").objects]
        assert not [key for key in keys if key.endswith((held, "manifest.json"))]


def test_outputs_over_the_limit_of_a_payload_fail_the_map(home: Home) -> None:
    row = home.run(machine(), ["é" * 50_000] * 3)
    assert (row.status, row.error) == ("FAILED", "States.DataLimitExceeded")


def test_express_children_have_no_history_and_end_after_five_minutes(home: Home) -> None:
    definition = machine()
    processor = definition["States"]["Map"]["ItemProcessor"]
    processor["ProcessorConfig"]["ExecutionType"] = "EXPRESS"
    processor["States"]["Accept"] = {"Type": "Wait", "SecondsPath": "$", "End": True}
    definition["States"]["Map"]["ToleratedFailurePercentage"] = 50
    row = home.run(definition, [0, 400])
    counts = home.map_run(row.arn)["executionCounts"]
    assert row.status == "SUCCEEDED"
    assert (counts["succeeded"], counts["timedOut"]) == (1, 1)


@pytest.mark.parametrize(
    "resource", ["states:startExecution.sync", "states:startExecution.sync:2", "lambda:invoke.waitForTaskToken"]
)
def test_express_children_that_wait_for_others_are_refused(home: Home, resource: str) -> None:
    definition = machine()
    processor = definition["States"]["Map"]["ItemProcessor"]
    processor["ProcessorConfig"]["ExecutionType"] = "EXPRESS"
    processor["States"]["Accept"] = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "End": True}
    with pytest.raises(InvalidDefinition, match="/States/Map/ItemProcessor/States/Accept/Resource"):
        home.register("refused", definition)


def test_child_input_over_the_limit_of_a_payload_fails_the_map_run(home: Home) -> None:
    home.put("large.jsonl", json.dumps("x" * 262_143) + "\n")
    row = home.run(machine(ItemReader=reader("large.jsonl", InputType="JSONL")))
    assert (row.status, row.error) == ("FAILED", "States.ItemReaderFailed")


def test_items_over_the_limit_are_read_where_a_selector_makes_them_small(home: Home) -> None:
    home.put("large.jsonl", json.dumps({"n": 1, "x": "x" * 300_000}) + "\n")
    fields = {"ItemReader": reader("large.jsonl", InputType="JSONL"), "ItemSelector": {"n.$": "$$.Map.Item.Value.n"}}
    assert json.loads(home.run(machine(**fields)).output) == [{"n": 1}]
