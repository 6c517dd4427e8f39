"""`hpc report`: writes the page of a run and prints its path."""

import argparse
import os
from contextlib import suppress
from pathlib import Path

from hpc.console import emit
from hpc.errors import ExitCode, NotStartedError
from hpc.reading import looks_twice, open_run
from hpc.report.facts import collect
from hpc.report.page import render


@looks_twice
def report(args: argparse.Namespace) -> int:
    """Write the file whole or not at all; what was at its place stays if that fails."""
    path = Path(args.out)
    if not path.name:
        raise NotStartedError(f"--out must be a file that can be written, got {args.out!r}")
    with open_run(args) as run:
        page = render(collect(run))
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise NotStartedError(f"--out must be a file that can be written, got {args.out}: {error}") from error
    emit(str(path), kept_in=str(path))
    return ExitCode.SUCCEEDED
