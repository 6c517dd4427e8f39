"""Logical ids stay: CloudFormation deletes a resource whose id is gone, a bucket with its objects for example."""

from pathlib import Path
from typing import Any

RECORDED = Path(__file__).with_name("logical_ids.txt")


def test_every_recorded_resource_and_output_keeps_its_logical_id(full_template: dict[str, Any]) -> None:
    present = {f"{each['Type']} {name}" for name, each in full_template["Resources"].items()}
    present |= {f"Output {name}" for name in full_template["Outputs"]}
    assert not sorted(set(RECORDED.read_text().splitlines()) - present)
