"""Make the App: settings from context -> stack.  Run by the CDK CLI, or alone: ``python app.py`` writes cdk.out."""

import json
import os
import sys
from pathlib import Path

from hpc_stack.config import HpcConfig  # first of all imports: the package says which node aws_cdk runs on

import aws_cdk as cdk  # isort: skip
from hpc_stack.stack import HpcStack

ROOT = Path(__file__).parent


def make_app(outdir: str) -> cdk.App:
    """Make the app and its stack from ``cdk.json``'s context, over which what the CDK CLI hands on wins (``-c``).

    Raises
    ------
    ValueError
        If a setting is wrong.
    """
    # Without the CLI nobody else reads cdk.json; the metadata settings there are the CLI's, and this is their default.
    app = cdk.App(
        outdir=outdir, context=json.loads((ROOT / "cdk.json").read_text())["context"], analytics_reporting=False
    )
    config = HpcConfig.from_context(app.node.get_all_context())
    HpcStack(app, config.stack_name, config=config)
    return app


def main() -> None:
    try:
        app = make_app(os.environ.get("CDK_OUTDIR", str(ROOT / "cdk.out")))
    except ValueError as error:
        sys.exit(f"app.py: {error}")
    app.synth()


if __name__ == "__main__":
    main()
