"""Assets of a cloud assembly: folders are found by the asset manifest, whatever they are called."""

import json
from pathlib import Path
from typing import Any

import pytest
from sfn_local.arns import Account
from sfn_local.assembly.read import AssemblyError, load
from sfn_local.assets import read_assets


def write_manifest(folder: Path, *, files: Any = (), images: Any = ()) -> Path:
    """Write a manifest of assets from (source, destinations)."""
    described = [
        {str(number): {"source": source, "destinations": dict(enumerate(places))} for number, (source, places) in each}
        for each in (enumerate(files), enumerate(images))
    ]
    (folder / "Stack.assets.json").write_text(json.dumps({"files": described[0], "dockerImages": described[1]}))
    return folder


@pytest.mark.parametrize("name", ["asset.abc", "asset.abc.0", "asset.abc.0 ü #%$'\"", "elsewhere"])
def test_folder_is_the_one_that_the_manifest_names(tmp_path: Path, name: str) -> None:
    keys = [{"objectKey": "abc.zip"}, {"objectKey": "other/abc.zip"}]
    write_manifest(
        tmp_path,
        files=[({"path": name, "packaging": "zip"}, keys)],
        images=[({"directory": name}, [{"imageTag": "abc"}])],
    )
    assets = read_assets(tmp_path)
    assert assets.files == {"abc.zip": tmp_path / name, "other/abc.zip": tmp_path / name}
    assert assets.images == {"abc": tmp_path / name}


def test_assets_that_a_command_makes_are_not_of_the_assembly(tmp_path: Path) -> None:
    write_manifest(tmp_path, files=[({"executable": ["make"]}, [{"objectKey": "a.zip"}])])
    assert read_assets(tmp_path).files == {}


@pytest.mark.parametrize("text", ["", "[]", '{"files": {"a": {}}}', '{"files": {"a": {"source": {"path": "x"}}}}'])
def test_manifest_that_is_damaged_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text('{"artifacts": {}}')
    (tmp_path / "Stack.assets.json").write_text(text)
    with pytest.raises(AssemblyError, match="asset manifest"):
        load(tmp_path, Account())


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ({"ZipFile": "def handler(event, context): pass"}, "its code must be an asset of the assembly, got ZipFile"),
        ({"S3Bucket": "b", "S3Key": "abc.zip"}, "its code, abc.zip, is not a folder of the assembly"),
    ],
)
def test_code_that_is_not_of_the_assembly_is_refused_by_name(
    tmp_path: Path, code: dict[str, str], message: str
) -> None:
    function = {
        "Type": "AWS::Lambda::Function",
        "Properties": {"Runtime": "python3.14", "Handler": "a.b", "Code": code},
    }
    stack = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "template.json"}}
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": {"Stack": stack}}))
    (tmp_path / "template.json").write_text(json.dumps({"Resources": {"Function": function}}))
    with pytest.raises(AssemblyError, match=message):
        load(tmp_path, Account())
