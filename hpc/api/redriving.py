"""Options of a redrive, as a program gives them: those that ``hpc redrive`` reads from its command line."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hpc.api.functions import package_of
from hpc.api.input_parts import checked_part
from hpc.api.places import Place
from hpc.errors import NotStartedError
from hpc.targets.workload_package import WorkloadPackage


def redrive_options(
    place: Place,
    workload: str | Path | Callable[..., Any] | None,
    *,
    combine: Callable[..., Any] | None,
    finish: Callable[..., Any] | None,
    only_finish: bool,
    back_end: str | None,
    batch_size: int | None,
) -> argparse.Namespace:
    """Return the options; the parameters are those of ``Run.redrive``.

    Raises
    ------
    NotStartedError
        If one is not as it must be, or has no effect beside another.
    """
    named: str | WorkloadPackage | None
    if callable(workload):
        named = package_of(workload, combine, finish)
    elif combine is not None or finish is not None:
        raise NotStartedError("combine and finish go with a function: a file defines its own")
    else:
        named = str(workload) if workload is not None else None
    changes = {"back_end": checked_part("back_end", back_end), "batch_size": checked_part("batch_size", batch_size)}
    if only_finish and any(each is not None for each in changes.values()):
        raise NotStartedError("only_finish computes no item: leave out back_end and batch_size")
    return argparse.Namespace(
        workload=named,
        only_finish=only_finish,
        aws=not place.is_local,
        stack_name=getattr(place, "stack_name", None),
        output="text",
        **changes,
    )
