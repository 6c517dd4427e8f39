"""Tags: on everything that can carry them, and on the tasks of jobs."""

import json
from collections.abc import Callable
from typing import Any

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
from synthesis import resources_of

from hpc_stack.setting_rules import MAX_TAGS, MAX_TAGS_BYTES

Template = dict[str, Any]


def can_be_tagged(resource_type: str) -> bool:
    if resource_type.startswith(("Custom::", "AWS::CDK::")):
        return False
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource_type).schema
    # A job definition's tags are in the schema's properties, and not in its description of tagging.
    return "Tags" in schema["properties"] or bool(schema.get("tagging", {}).get("taggable"))


def carried(tags: Any) -> dict[str, str]:
    return tags if isinstance(tags, dict) else {each["Key"]: each["Value"] for each in tags}


def test_every_resource_that_can_carry_them_has_the_tags(synthesize: Callable[..., Template]) -> None:
    template = synthesize(
        packages_layer=False, batch=True, orchestrator=True, kms=True, alarms=True, tags={"team": "ice", "unit": "a b"}
    )
    untagged = {
        resource["Type"]
        for resource in template["Resources"].values()
        if can_be_tagged(resource["Type"])
        and not {"team": "ice", "unit": "a b"}.items()
        <= carried(resource.get("Properties", {}).get("Tags", [])).items()
    }
    assert untagged == set()


def test_template_has_room_for_the_most_tags(synthesize: Callable[..., Template]) -> None:
    tags = {f"key-{number:02}": "v" * 94 for number in range(MAX_TAGS)}
    assert sum(len(key) + len(value) for key, value in tags.items()) == MAX_TAGS_BYTES
    switches = dict.fromkeys(("batch", "orchestrator", "kms", "alarms"), True)
    template = synthesize(packages_layer=False, notify_email="team@example.org", tags=tags, **switches)
    assert len(json.dumps(template, indent=1)) < 1_000_000


def test_jobs_have_their_runs_name_and_hand_their_tags_on_to_tasks(batch_template: Template) -> None:
    [definition] = resources_of(batch_template, "AWS::Batch::JobDefinition").values()
    assert definition["Properties"]["PropagateTags"] is True
