"""The project's own commands against the emulated account, and what stands there afterwards."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.config import Config
from emulator import ACCOUNT, REGION
from side_environment import run_to_end, search_path

from hpc.targets.client import local_config, local_session

PROJECT = Path(__file__).parents[2]
CDK = PROJECT / "node_modules/.bin/cdk"
COMMAND_SECONDS = 400
STACK = "HpcStack"
ACCESS_KEY_ID = SECRET_ACCESS_KEY = "emulated"

PSEUDO_PARAMETERS = {
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::URLSuffix": "amazonaws.com",
}
ARNS = {
    "AWS::S3::Bucket": "arn:aws:s3:::{}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{}}",
    "AWS::Lambda::Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{}}",
    "AWS::KMS::Key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{{}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{}}:*",
}


@dataclass(frozen=True)
class Account:
    """The emulated account; ``home`` is where commands keep what they keep."""

    endpoint_url: str
    home: Path

    def client(self, service: str) -> Any:
        session = local_session(region=REGION, access_key_id=ACCESS_KEY_ID, secret_access_key=SECRET_ACCESS_KEY)
        config: Config = local_config()
        return session.client(service, endpoint_url=self.endpoint_url, config=config)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command that knows this account only."""
        environment = {
            # With the user's settings of proxies and registries, without those of AWS.
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))},
            "PATH": search_path(),
            "CDK_HOME": str(self.home / ".cdk"),
            "HPC_HOME": str(self.home / ".hpc"),
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "CDK_DISABLE_VERSION_CHECK": "1",
        }
        return run_to_end(command, PROJECT, environment, COMMAND_SECONDS)

    def cdk(self, *arguments: str, app: str = f"{sys.executable} app.py") -> subprocess.CompletedProcess[str]:
        done = self.run(str(CDK), *arguments, "--app", app, "--progress", "events")
        assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
        return done

    def hpc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(Path(sys.executable).with_name("hpc")), *arguments, "--aws")

    def inventory(self) -> set[tuple[str, str]]:
        """Return kind and name of all that the stack can leave behind."""
        return set(self._list())

    def _list(self) -> Iterator[tuple[str, str]]:
        for each in self.client("s3").list_buckets()["Buckets"]:
            yield "bucket", each["Name"]
        for each in self.client("lambda").list_functions()["Functions"]:
            yield "function", each["FunctionName"]
        for each in self.client("lambda").list_layers()["Layers"]:
            yield "layer", each["LayerName"]
        for each in self.client("stepfunctions").list_state_machines()["stateMachines"]:
            yield "state machine", each["name"]
        for each in self.client("logs").describe_log_groups()["logGroups"]:
            yield "log group", each["logGroupName"]
        for each in self.client("iam").list_roles()["Roles"]:
            yield "role", each["RoleName"]


@dataclass(frozen=True)
class Deployed:
    """A deployed stack at one moment.

    Attributes
    ----------
    template : dict
        As it was synthesized for this deployment.
    resources : dict
        By logical id, as CloudFormation describes them.
    machine : dict
        The state machine, as Step Functions describes it.
    functions : dict
        By logical id, as Lambda describes them.
    rights : dict
        Policy documents, by role and name of the policy; that of the bucket under its name.
    outputs : dict
    """

    template: dict[str, Any]
    resources: dict[str, dict[str, Any]]
    machine: dict[str, Any]
    functions: dict[str, dict[str, Any]]
    rights: dict[tuple[str, str], Any]
    outputs: dict[str, str]

    def declared(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the properties of the template's resources of one type, with all references resolved."""
        return {
            name: self.resolve(each["Properties"])
            for name, each in self.template["Resources"].items()
            if each["Type"] == kind
        }

    def declared_rights(self) -> dict[tuple[str, str], Any]:
        """Return the template's policies, as ``rights`` has those that are deployed."""
        rights: dict[tuple[str, str], Any] = {}
        for policy in self.declared("AWS::IAM::Policy").values():
            for role in policy["Roles"]:
                rights[role, policy["PolicyName"]] = policy["PolicyDocument"]
        for name, role in self.declared("AWS::IAM::Role").items():
            rights[self.physical_id(name), "managed policies"] = sorted(role.get("ManagedPolicyArns", []))
            for policy in role.get("Policies", []):
                rights[self.physical_id(name), policy["PolicyName"]] = policy["PolicyDocument"]
        for policy in self.declared("AWS::S3::BucketPolicy").values():
            rights[policy["Bucket"], "bucket policy"] = policy["PolicyDocument"]
        return rights

    def physical_id(self, name: str) -> str:
        value: str = self.resources[name]["PhysicalResourceId"]
        return value

    def resolve(self, value: Any) -> Any:
        """Put the deployed names in the place of CloudFormation's functions."""
        match value:
            case {"Ref": name}:
                return PSEUDO_PARAMETERS.get(name) or self.physical_id(name)
            case {"Fn::GetAtt": [name, "Arn"]}:
                return ARNS[self.resources[name]["ResourceType"]].format(self.physical_id(name))
            case {"Fn::Join": [separator, parts]}:
                return str(separator).join(map(self.resolve, parts))
            case {"Fn::Split": [separator, text]}:
                return self.resolve(text).split(separator)
            case {"Fn::Select": [position, parts]}:
                return self.resolve(parts)[int(position)]
            case {"Fn::Sub": str(text)}:
                for name, meant in PSEUDO_PARAMETERS.items():
                    text = text.replace(f"${{{name}}}", meant)
                return text
            case dict():
                assert not any(key.startswith("Fn::") for key in value), value
                return {key: self.resolve(each) for key, each in value.items()}
            case list():
                return [self.resolve(each) for each in value]
            case _:
                return value


def look(account: Account, assembly: Path) -> Deployed:
    """Describe the stack that was deployed from an assembly."""
    cloudformation = account.client("cloudformation")
    described = cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
    resources = {each["LogicalResourceId"]: each for each in described}
    [stack] = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    machine = account.client("stepfunctions").describe_state_machine(stateMachineArn=outputs["StateMachineArn"])
    lambda_ = account.client("lambda")
    functions = {
        name: lambda_.get_function_configuration(FunctionName=each["PhysicalResourceId"])
        for name, each in resources.items()
        if each["ResourceType"] == "AWS::Lambda::Function"
    }
    template = json.loads((assembly / f"{STACK}.template.json").read_text())
    return Deployed(template, resources, machine, functions, read_rights(account, resources), outputs)


def read_rights(account: Account, resources: dict[str, dict[str, Any]]) -> dict[tuple[str, str], Any]:
    """Return what each role may do, and the policy of the bucket."""
    iam = account.client("iam")
    rights: dict[tuple[str, str], Any] = {}
    for each in resources.values():
        name = each["PhysicalResourceId"]
        if each["ResourceType"] == "AWS::S3::Bucket":
            rights[name, "bucket policy"] = json.loads(account.client("s3").get_bucket_policy(Bucket=name)["Policy"])
        elif each["ResourceType"] == "AWS::IAM::Role":
            attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
            rights[name, "managed policies"] = sorted(policy["PolicyArn"] for policy in attached)
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
                rights[name, policy] = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    return rights
