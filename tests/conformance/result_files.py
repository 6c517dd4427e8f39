"""Result files of a Map Run beside recorded ones: the same files, the same records but for ids and times."""

import json
from typing import Any

from sfn_local.object_store import ObjectStore

# What differs from run to run.  Source: the recordings' own note.
_VARYING = frozenset(
    {"ExecutionArn", "Name", "StartDate", "StopDate", "StateMachineArn", "parentId", "MapRunArn", "Key", "Size"}
    | {"Id", "StartTime", "RoleArn", "EnteredTime", "LastModified"}
)
_MASK = "<varies>"


def compare_files(expected: dict[str, Any], objects: ObjectStore) -> str:
    """Say what differs between the recorded files and those of the one Map Run; empty if nothing does."""
    bucket = expected["bucket"]
    manifest_key = only(key for key in keys(objects, bucket) if key.endswith("/manifest.json"))
    folder = manifest_key.removesuffix("manifest.json")
    ours = {key.removeprefix(folder): read(objects, bucket, key) for key in keys(objects, bucket, folder)}
    for name, recorded in expected["files"].items():
        if name not in ours:
            return f"no file {name}"
        if rows(name, ours[name]) != rows(name, recorded):
            return f"{name}: {ours[name]}"
    listed = _listed(json.loads(ours["manifest.json"]))
    recorded_manifest = expected["files"].get("manifest.json")  # not every recording has kept it, nor all files
    if recorded_manifest is not None and listed != _listed(json.loads(recorded_manifest)):
        return f"manifest lists {listed}"
    named = sorted(["manifest.json", *(name for names in listed.values() for name in names)])
    return "" if sorted(ours) == named else f"files {sorted(ours)}, the manifest names {named}"


def rows(name: str, text: str) -> Any:
    """Return the records of a file, what varies masked, in an order that doesn't depend on when children ended."""
    records = [json.loads(line) for line in text.splitlines()] if name.endswith(".jsonl") else json.loads(text)
    masked = masked_value(records)
    return sorted(masked, key=json.dumps) if isinstance(masked, list) else masked


def masked_value(value: Any) -> Any:
    """Mask what varies; JSON texts are compared as JSON."""
    if isinstance(value, dict):
        return {name: _MASK if name in _VARYING else masked_value(member) for name, member in value.items()}
    if isinstance(value, list):
        return [masked_value(item) for item in value]
    if isinstance(value, str) and value[:1] in ("{", "["):
        return masked_value(json.loads(value))
    return value


def keys(objects: ObjectStore, bucket: str, prefix: str = "") -> list[str]:
    return [info.key for info in objects.list(bucket, prefix=prefix).objects]


def read(objects: ObjectStore, bucket: str, key: str) -> str:
    with objects.open(bucket, key) as stream:
        return stream.read().decode()


def only(values: Any) -> Any:
    (value,) = values
    return value


def _listed(manifest: dict[str, Any]) -> dict[str, list[str]]:
    return {
        status: [entry["Key"].rsplit("/", 1)[-1] for entry in entries]
        for status, entries in manifest["ResultFiles"].items()
    }
