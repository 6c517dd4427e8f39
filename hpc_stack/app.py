"""The CDK app: settings from context -> stack.

The CDK CLI runs it in a checkout by ``app.py``, and anywhere else by ``cdk synth --app "python -m hpc_stack.app"``.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpc_stack.config import HpcConfig
from hpc_stack.sources import PACKAGED, SOURCES

import aws_cdk as cdk  # isort: skip # after hpc_stack, which says which node aws_cdk runs on
from hpc_stack.stack import HpcStack


def read_context() -> dict[str, Any]:
    """Return the context of ``cdk.json``, which nobody reads for an app that the CDK CLI doesn't start."""
    context: dict[str, Any] = json.loads((SOURCES / "cdk.json").read_text())["context"]
    return context


def make_app(outdir: str, context: Mapping[str, Any]) -> cdk.App:
    """Make the app and its stack; context that the CDK CLI hands on (``-c``) wins over the given.

    Raises
    ------
    ValueError
        If a setting is wrong; the text says which.
    """
    # versionReporting in cdk.json is for the CLI only; the other metadata settings are off by default without the CLI.
    app = cdk.App(outdir=outdir, context=context, analytics_reporting=False)
    config = HpcConfig.from_context(app.node.get_all_context())
    HpcStack(app, config.stack_name, config=config)
    return app


def main() -> None:
    """Write the cloud assembly: cdk.out of the checkout, or of the current folder, unless CDK_OUTDIR names another."""
    place = Path.cwd() if SOURCES == PACKAGED else SOURCES
    try:
        app = make_app(os.environ.get("CDK_OUTDIR", str(place / "cdk.out")), read_context())
    except ValueError as error:
        sys.exit(f"app.py: {error}")
    app.synth()


if __name__ == "__main__":
    main()
