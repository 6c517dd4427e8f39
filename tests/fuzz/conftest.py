"""Fixtures: those of the handler tests, S3 in memory and a run driven by hand."""

import importlib.util
import sys
from pathlib import Path

_path = Path(__file__).parents[1] / "unit" / "conftest.py"
_spec = importlib.util.spec_from_file_location("handler_fixtures", _path)
assert _spec is not None
assert _spec.loader is not None
_fixtures = importlib.util.module_from_spec(_spec)
sys.modules["handler_fixtures"] = _fixtures  # its dataclasses look for their module there
_spec.loader.exec_module(_fixtures)

s3, pipeline, upload = _fixtures.s3, _fixtures.pipeline, _fixtures.upload
