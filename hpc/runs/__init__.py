"""Runs as the services and their files tell of them.  Called, ``hpc.runs()`` lists the latest ones."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _Runs(ModuleType):
    """This package, whose name is also that of a function of ``hpc``."""

    def __call__(self, **options: Any) -> Any:
        return import_module("hpc.api.calls").runs(**options)


sys.modules[__name__].__class__ = _Runs
