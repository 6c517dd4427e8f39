"""Resources that a changed setting replaces, by CloudFormation's schemas and by docs/reference/configuration.md."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
from setting_changes import CHANGES
from synthesis import ROOT

from hpc_stack.config import HpcConfig

Template = dict[str, Any]
Synthesize = Callable[..., Template]
BASE = {"packages_layer": False, "batch": True, "orchestrator": True}
# Another name is another stack; the layer is built, which takes a registry, and is replaced as a whole.
NOT_COMPARED = {"stack_name", "packages_layer"}


def schema_of(resource_type: str) -> dict[str, Any]:
    schema: dict[str, Any] = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource_type).schema
    return schema


def value_at(properties: Any, path: str) -> Any:
    """Return what stands at a schema's path, such as ``/properties/ComputeResources/Type``, None if nothing does."""
    for key in path.split("/")[2:]:
        properties = properties.get(key) if isinstance(properties, dict) else None
    return properties


def replaced(before: Template, after: Template) -> Iterator[tuple[str, str]]:
    """Yield logical id and type of each resource that CloudFormation replaces, surely or perhaps."""
    for name, resource in before["Resources"].items():
        other = after["Resources"].get(name)
        if other is None or resource["Type"].startswith(("Custom::", "AWS::CloudFormation::")):
            continue
        schema = schema_of(resource["Type"])
        fixed = [*schema.get("createOnlyProperties", ()), *schema.get("conditionalCreateOnlyProperties", ())]
        pair = resource.get("Properties", {}), other.get("Properties", {})
        if any(value_at(pair[0], path) != value_at(pair[1], path) for path in fixed):
            yield name, resource["Type"]


@pytest.fixture(scope="module")
def base(synthesize: Synthesize) -> Template:
    return synthesize(**BASE)


def test_every_setting_has_a_change() -> None:
    assert set(CHANGES) | NOT_COMPARED == {each.name for each in fields(HpcConfig)}


@pytest.mark.parametrize("name", CHANGES)
def test_change_can_be_deployed_and_the_docs_say_what_it_does(
    name: str, base: Template, synthesize: Synthesize
) -> None:
    after = synthesize(**BASE | CHANGES[name])
    assert json.dumps(after) != json.dumps(base)
    found = dict(replaced(base, after))
    for logical_id, resource_type in found.items():
        # A replacement is made before the old one is deleted: a name that was given would be taken.
        properties = base["Resources"][logical_id]["Properties"]
        assert all(value_at(properties, path) is None for path in schema_of(resource_type)["primaryIdentifier"])
    kinds = sorted({resource_type.rpartition("::")[2] for resource_type in found.values()})
    assert documented(name) == (f"replaces {', '.join(kinds)}" if kinds else "in place")


def documented(name: str) -> str:
    """Return what the column "changing it later" says of a setting, without what is said besides."""
    page = (ROOT / "docs/reference/configuration.md").read_text()
    [row] = re.findall(rf"^\| `hpc:{name}` \|.*\|$", page, re.MULTILINE)
    return row.strip("| ").split(" | ")[-1].partition(";")[0]
