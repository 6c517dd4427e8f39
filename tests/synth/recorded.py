"""The state machines' definitions on record, one file each, so that a change of any shows as the diff of a definition.

Run ``python tests/synth/recorded.py`` to put the present ones on record, and read what git says has changed.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from synthesis import ROOT, definition_of, definitions_of, synthesize_into, template_in

FOLDER = ROOT / "tests/synth"


def on_record(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.asl.json").read_text())


def without_hashes(definition: dict[str, Any]) -> Any:
    """Take the hashes from the logical ids, which change with the construct's place and not with what it does."""
    return json.loads(re.sub(r"<(\w+?)[0-9A-F]{8}(\.\w+)?>", r"<\1\2>", json.dumps(definition)))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        plain = template_in(synthesize_into(Path(folder, "plain"), packages_layer="false"))
        full = template_in(
            synthesize_into(Path(folder, "full"), batch="true", orchestrator="true", packages_layer="false")
        )
    with_jobs = definitions_of(full)
    definitions = {
        "map_reduce": definition_of(plain),
        "map_reduce_with_jobs": with_jobs["MapReduce"],
        "complex_orchestrator": with_jobs["ComplexOrchestrator"],
        "sync_nested": with_jobs["SyncNested"],
        "callback_notify": with_jobs["CallbackNotify"],
    }
    for name, definition in definitions.items():
        text = json.dumps(without_hashes(definition), indent=2)
        (FOLDER / f"{name}.asl.json").write_text(f"{text}\n")


if __name__ == "__main__":
    main()
