"""Values of a CloudFormation template as they would be after a deployment into the local account.

Only what a cloud assembly of this kind uses is resolved; anything else is an error that names it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from sfn_local.arns import Account
from sfn_local.assembly.resource_types import ResourceType, TemplateError
from sfn_local.assembly.resources import RESOURCE_TYPES

_UNKNOWN = ResourceType()


class Resolver:
    """Intrinsic functions of one stack's template.

    Parameters
    ----------
    template : the parsed template
    stack_name, account : what the deployment would be called and where it would be
    has_stand_ins : whether a resource that is not made here has a made-up ARN, instead of being an error
    """

    def __init__(
        self, template: Mapping[str, Any], stack_name: str, account: Account, *, has_stand_ins: bool = False
    ) -> None:
        self._has_stand_ins = has_stand_ins
        self._resources: Mapping[str, Any] = template["Resources"]
        self._stack_name = stack_name
        self._account = account
        self._pseudo_parameters = {
            "AWS::AccountId": account.account_id,
            "AWS::Region": account.region,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": stack_name,
            "AWS::StackId": account.arn("cloudformation", f"stack/{stack_name}/local"),
        }

    def physical_name(self, logical_id: str) -> str:
        resource = self._resources[logical_id]
        resource_type = RESOURCE_TYPES.get(resource["Type"], _UNKNOWN)
        given = resource.get("Properties", {}).get(resource_type.name_property)
        return resource_type.default_name(self._stack_name, logical_id) if given is None else str(self.value(given))

    def value(self, template_value: Any) -> Any:
        """Return ``template_value`` with every intrinsic function resolved."""
        if isinstance(template_value, list):
            return [self.value(element) for element in template_value]
        if not isinstance(template_value, dict):
            return template_value
        if len(template_value) == 1:
            ((name, argument),) = template_value.items()
            if name == "Ref" or name.startswith("Fn::"):
                if name not in _FUNCTIONS:
                    raise TemplateError(
                        f"intrinsic function {name} is not known here; known are {', '.join(sorted(_FUNCTIONS))}"
                    )
                return _FUNCTIONS[name](self, argument)
        return {key: self.value(element) for key, element in template_value.items()}

    def _ref(self, name: str) -> str:
        if name in self._pseudo_parameters:
            return self._pseudo_parameters[name]
        return self._attribute(name, "Ref")

    def _get_attribute(self, argument: list[str] | str) -> str:
        logical_id, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        return self._attribute(logical_id, attribute)

    def _attribute(self, logical_id: str, attribute: str) -> str:
        if logical_id not in self._resources:
            raise TemplateError(f"{logical_id} is neither a resource of the template nor a pseudo parameter")
        resource_type = self._resources[logical_id]["Type"]
        try:
            value = RESOURCE_TYPES[resource_type].values[attribute]
        except KeyError:
            if self._has_stand_ins:
                return f"arn:aws:not-made-here:::{self._stack_name}/{logical_id}"
            raise TemplateError(f"{attribute} of {logical_id} ({resource_type}) has no value on this machine") from None
        return value(self._account, self.physical_name(logical_id))

    def _join(self, argument: list[Any]) -> str:
        separator, parts = argument
        return str(separator).join(str(part) for part in self.value(parts))

    def _sub(self, argument: str | list[Any]) -> str:
        text, given = (argument, {}) if isinstance(argument, str) else argument
        values = self.value(given)

        def replace(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in values:
                return str(values[name])
            return self._get_attribute(name) if "." in name else self._ref(name)

        return re.sub(r"\$\{([^}]+)\}", replace, text)

    def _select(self, argument: list[Any]) -> Any:
        index, elements = argument
        return self.value(elements)[int(index)]

    def _split(self, argument: list[Any]) -> list[str]:
        separator, text = argument
        return str(self.value(text)).split(separator)


_FUNCTIONS: dict[str, Callable[[Resolver, Any], Any]] = {
    "Ref": Resolver._ref,
    "Fn::GetAtt": Resolver._get_attribute,
    "Fn::Join": Resolver._join,
    "Fn::Sub": Resolver._sub,
    "Fn::Select": Resolver._select,
    "Fn::Split": Resolver._split,
}
