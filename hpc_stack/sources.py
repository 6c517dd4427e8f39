"""Where the sources of ``lambdas/`` are: in a checkout its root, in an installed package a folder of its own."""

from pathlib import Path

PACKAGED = Path(__file__).parent / "asset"
CHECKOUT = Path(__file__).parents[1]
# Holds lambdas/, constraints.txt, requirements-uv.txt and cdk.json.
SOURCES = PACKAGED if PACKAGED.is_dir() else CHECKOUT
