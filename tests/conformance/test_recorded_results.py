"""Result files that AWS wrote beside those of equivalent definitions here: the same files, fields and counts."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from recordings import CASES
from result_files import compare_files
from runner import runner

RECORDED = CASES.parents[1] / "recorded_results"
BUCKET = "sd-sfn-map-35d090a7dd"

_SELECTOR = {
    "index.$": "$$.Map.Item.Index",
    "value.$": "$$.Map.Item.Value",
    "source.$": "$$.Map.Item.Source",
    "parentId.$": "$$.Execution.Id",
}
_BATCH = {"StartAt": "Return", "States": {"Return": {"Type": "Pass", "OutputPath": "$.Items", "End": True}}}
_LIFE = {
    "StartAt": "Wait",
    "States": {
        "Wait": {"Type": "Wait", "SecondsPath": "$.value.wait", "Next": "Decide"},
        "Decide": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.value.fail", "BooleanEquals": True, "Next": "Refuse"}],
            "Default": "ReturnContext",
        },
        "Refuse": {"Type": "Fail", "Error": "OwnedItemFailure", "Cause": "intentional bounded native observation"},
        "ReturnContext": {
            "Type": "Pass",
            "Parameters": {"item.$": "$", "childContext.$": "$$"},
            "End": True,
        },
    },
}


def _map(
    processor: dict[str, Any], prefix: str, writer: dict[str, str], *, is_selected: bool = True, **fields: Any
) -> dict[str, Any]:
    config = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
    return {
        "Type": "Map",
        "ItemProcessor": {**config, **processor},
        **({"ItemSelector": _SELECTOR} if is_selected else {}),
        "MaxConcurrency": 1,
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": BUCKET, "Prefix": f"results/{prefix}"},
            "WriterConfig": writer,
        },
        "End": True,
        **fields,
    }


def _reader(key: str, **config: Any) -> dict[str, Any]:
    parameters = {"Bucket": BUCKET, "Key": key}
    return {"Resource": "arn:aws:states:::s3:getObject", "Parameters": parameters, "ReaderConfig": config}


def _life(*items: tuple[int, bool]) -> list[dict[str, Any]]:
    return [{"n": number, "wait": wait, "fail": fail} for number, (wait, fail) in enumerate(items)]


_CSV = 'id|text|blank\r\n1|"one|pipe"|\r\n2|"two ""quoted"""|x\r\n3|"three\nnewline"|y\r\n4|four\r\n'
_NESTED = {"data": {"items": [{"n": n, "text": text} for n, text in enumerate(("zero", "one", "two", "three"))]}}

# recorded folder: state, input, objects
EQUIVALENTS: dict[str, tuple[dict[str, Any], Any, dict[str, str]]] = {
    "cancel": (
        _map(_LIFE, "cancel", {"Transformation": "NONE", "OutputType": "JSON"}, Label="LifeMap"),
        _life((25, True), (0, False), (0, False), (0, False)),
        {},
    ),
    "csv-none": (
        _map(
            _BATCH,
            "csv-none",
            {"Transformation": "NONE", "OutputType": "JSONL"},
            ItemReader=_reader("inputs/data.csv", InputType="CSV", CSVHeaderLocation="FIRST_ROW", CSVDelimiter="PIPE"),
            ItemBatcher={"MaxItemsPerBatch": 2, "BatchInput": {"tag": "csv-batch"}},
        ),
        {},
        {"inputs/data.csv": _CSV},
    ),
    "flatten": (
        _map(
            {
                "StartAt": "Return",
                "States": {
                    "Return": {
                        "Type": "Pass",
                        "QueryLanguage": "JSONata",
                        "Output": "{% [$states.input, {'copy': $states.input}] %}",
                        "End": True,
                    }
                },
            },
            "flatten",
            {"Transformation": "FLATTEN", "OutputType": "JSONL"},
            is_selected=False,
        ),
        [10, 20],
        {},
    ),
    "json-compact": (
        _map(
            _BATCH,
            "json-compact",
            {"Transformation": "COMPACT", "OutputType": "JSON"},
            ItemReader=_reader("inputs/nested.json", InputType="JSON", ItemsPointer="/data/items"),
            ItemBatcher={"MaxItemsPerBatch": 2},
        ),
        {},
        {"inputs/nested.json": json.dumps(_NESTED)},
    ),
    "tolerance": (
        _map(
            _LIFE,
            "tolerance",
            {"Transformation": "NONE", "OutputType": "JSON"},
            Label="LifeMap",
            ToleratedFailureCount=1,
        ),
        _life((0, True), (4, False), (4, False), (4, False)),
        {},
    ),
}


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"there are no recorded result files at {RECORDED}")
@pytest.mark.parametrize("name", EQUIVALENTS)
def test_result_files_have_the_records_fields_and_counts_that_aws_wrote(name: str, tmp_path: Path) -> None:
    state, payload, objects = EQUIVALENTS[name]
    case = {
        "name": name,
        "definition": {"StartAt": "LifeMap", "States": {"LifeMap": state}},
        "input": payload,
        "s3": {
            "buckets": [BUCKET],
            "objects": [{"Bucket": BUCKET, "Key": key, "Body": body} for key, body in objects.items()],
        },
    }
    recorded = {path.name: path.read_text() for path in (RECORDED / name).iterdir()}
    difference = asyncio.run(_difference(tmp_path, case, {"bucket": BUCKET, "files": recorded}))
    assert not difference


async def _difference(root: Path, case: dict[str, Any], expected: dict[str, Any]) -> str:
    async with runner(root, speed=50) as opened:
        outcome = await opened.run(case)
        return compare_files(expected, outcome.objects)
