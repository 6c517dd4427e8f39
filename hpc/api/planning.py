"""``hpc.plan``: the estimate of ``hpc plan`` as values."""

import io
import json
import tempfile
from collections.abc import Mapping
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpc.api.functions import package_of
from hpc.cli.main import build_parser
from hpc.commands.plan import estimate as estimate_args
from hpc.errors import NotStartedError
from hpc.planning.table import to_json
from hpc.targets.workload_package import WorkloadPackage

if TYPE_CHECKING:
    from hpc.api.calls import Workload


def estimate(
    workload: "Workload | None",
    *,
    size: int,
    seconds: float | None,
    sample: int | None,
    params: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the plan; see :func:`hpc.api.calls.plan`."""
    if (seconds is None) == (sample is None):
        raise NotStartedError("give exactly one of seconds and sample")
    with tempfile.TemporaryDirectory(prefix="hpc-") as folder:
        if callable(workload):
            workload = _written(package_of(workload, None, None), Path(folder))
        given = {"size": size, "seconds": seconds, "sample": sample, "workload": workload, **options}
        words = [f"--{name.replace('_', '-')}={value}" for name, value in given.items() if value is not None]
        words += [f"--params={json.dumps(dict(params))}"] if params is not None else []
        refusal = io.StringIO()
        try:
            with redirect_stderr(refusal):
                args = build_parser().parse_args(["plan", *words])
        except SystemExit as error:
            raise NotStartedError(f"plan: {refusal.getvalue().rpartition('error: ')[2].strip()}") from error
        made, computation, prices, notes = estimate_args(args)
        value: dict[str, Any] = json.loads(to_json(made, computation, prices, notes))
        return value


def _written(package: WorkloadPackage, folder: Path) -> Path:
    """Write the files of a function to a folder that is named as its workload; return its path."""
    home = folder / package.name
    for name, content in package.files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(content)
    return home
