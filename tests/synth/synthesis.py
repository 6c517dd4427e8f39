"""Run the app, and read what it writes."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hpc.targets.synthesis import digest

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "build" / "test-assemblies"
GIVEN_VPC = "vpc-0123456789abcdef0"
GIVEN_SUBNETS = "subnet-01234567,subnet-0123456789abcdef0"


def as_text(value: Any) -> str:
    """Write a CloudFormation value as one text: ``<Bucket.Arn>/runs/*``, ``<AWS::Region>``."""
    match value:
        case str():
            return value
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(map(as_text, parts))
        case {"Fn::GetAtt": [resource, attribute]}:
            return f"<{resource}.{attribute}>"
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::If": [condition, chosen, other]}:
            return f"<{as_text(chosen)} if {condition} else {as_text(other)}>"
        case {"Fn::Sub": str(text)}:
            return text.replace("${", "<").replace("}", ">")
        case {"Fn::Select": [position, {"Fn::Split": [separator, whole]}]}:
            return f"<{as_text(whole).strip('<>')} part {position} of {separator!r}>"
        case _:
            raise AssertionError(f"not a text: {value}")


def run_app(outdir: Path, **context: Any) -> subprocess.CompletedProcess[str]:
    """Run ``python app.py``; the context arrives as the CDK CLI hands it on."""
    environment = {**os.environ, "CDK_OUTDIR": str(outdir)}
    if context:
        environment["CDK_CONTEXT_JSON"] = json.dumps({f"hpc:{name}": value for name, value in context.items()})
    return subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def synthesize_into(outdir: Path, **context: str) -> Path:
    """Synthesize as a person does; return the assembly's folder."""
    done = run_app(outdir, **context)
    assert done.returncode == 0, done.stderr
    return outdir


def synthesized_once(name: str, **context: str) -> Path:
    """Synthesize for all processes, and for all test runs on these sources; none may change what is in the folder."""
    folder = KEPT / f"{name}-{digest(ROOT)}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # else each process would synthesize
        if not folder.exists():
            for old in KEPT.glob(f"{name}-*"):
                shutil.rmtree(old)
            synthesize_into(KEPT / f"{name}-unfinished", **context).rename(folder)
        return folder


def template_in(assembly: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((assembly / "HpcStack.template.json").read_text())
    return value


def definition_of(template: dict[str, Any]) -> dict[str, Any]:
    """Parse the ASL of the only state machine; references stand in it as ``<LogicalId.Attribute>``."""
    [machine] = resources_of(template, "AWS::StepFunctions::StateMachine").values()
    value: dict[str, Any] = json.loads(as_text(machine["Properties"]["DefinitionString"]))
    return value


def definitions_of(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Parse the ASL of every state machine, by the construct that it is in."""
    return {
        name: json.loads(as_text(each["Properties"]["DefinitionString"]))
        for name in ("MapReduce", "ComplexOrchestrator", "SyncNested", "CallbackNotify")
        for machine, each in resources_of(template, "AWS::StepFunctions::StateMachine").items()
        if f"{name}StateMachine" in machine
    }


def resources_of(template: dict[str, Any], resource_type: str) -> dict[str, Any]:
    return {name: each for name, each in template["Resources"].items() if each["Type"] == resource_type}


def properties_of(template: dict[str, Any], resource_type: str) -> dict[str, Any]:
    """Return the properties of the only resource of a type."""
    [resource] = resources_of(template, resource_type).values()
    properties: dict[str, Any] = resource["Properties"]
    return properties


def container_of(template: dict[str, Any]) -> dict[str, Any]:
    """Return what the job definition says of its container."""
    properties: dict[str, Any] = properties_of(template, "AWS::Batch::JobDefinition")["ContainerProperties"]
    return properties
