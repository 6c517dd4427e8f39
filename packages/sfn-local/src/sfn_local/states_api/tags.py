"""Tags of state machines.

Source: API reference, "TagResource"; recorded answers.
"""

from collections.abc import Mapping, Sequence

from sfn_local.execution.machine import Machine
from sfn_local.protocol import ServiceError
from sfn_local.states_api.context import Context, Params, Result
from sfn_local.states_api.parameters import check_arn, no_resource

_MAX_TAGS = 50


def check_tags(known: Mapping[str, str], added: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return ``known`` tags with those that are ``added`` or changed."""
    tags = {**known, **{tag.get("key", ""): tag.get("value", "") for tag in added}}
    if len(tags) > _MAX_TAGS:
        raise ServiceError("TooManyTags", f"a resource has at most {_MAX_TAGS} tags, got {len(tags)}")
    reserved = [key for key in tags if key.lower().startswith("aws:")]
    if reserved or "" in tags:
        raise ServiceError("ValidationException", "a tag's key must have 1 character or more and not begin with aws:")
    return tags


async def tag_resource(context: Context, params: Params) -> Result:
    """TagResource."""
    machine = _tagged(context, params)
    await context.machines.tag(machine, check_tags(_tags(machine), params["tags"]))
    return {}


async def untag_resource(context: Context, params: Params) -> Result:
    """UntagResource; keys that there are not are left out already."""
    machine = _tagged(context, params)
    kept = {key: value for key, value in _tags(machine).items() if key not in params["tagKeys"]}
    await context.machines.tag(machine, kept)
    return {}


async def list_tags_for_resource(context: Context, params: Params) -> Result:
    """ListTagsForResource."""
    return {"tags": [{"key": key, "value": value} for key, value in _tags(_tagged(context, params)).items()]}


def _tagged(context: Context, params: Params) -> Machine:
    arn = check_arn(params["resourceArn"], "stateMachine", "activity")
    machine = context.machines.find(arn)
    if machine is None:
        raise no_resource(arn)
    return machine


def _tags(machine: Machine) -> Mapping[str, str]:
    tags: Mapping[str, str] = machine.row.settings.get("tags", {})
    return tags
