"""The process that serves a program's runs, ``python -m hpc.api.host HOME VARIANT [ASSEMBLY]``.

It ends with the program, however that ends: its standard input is then closed.  Within the program the server
would have to end before the interpreter does, of which nothing tells a library in time.
"""

import json
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from hpc.errors import CommandError
from hpc.targets.home import Home
from hpc.targets.local import connect
from hpc.targets.synthesis import PIPELINE, WITH_JOBS

VARIANTS = {"pipeline": PIPELINE, "jobs": WITH_JOBS}


def main(folder: str, variant: str, assembly: str | None = None) -> int:
    """Serve until standard input ends; the one line of standard output is the refusal, or an empty list."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the program's
    home = Home(Home.from_environment().project, Path(folder))
    answer = sys.stdout
    sys.stdout = sys.stderr
    with ExitStack() as hosting:
        try:
            connect(hosting, home, Path(assembly) if assembly else None, variant=VARIANTS[variant])
        except CommandError as error:
            answer.write(f"{json.dumps(error.lines)}\n")
            return error.exit_code
        answer.write("[]\n")
        answer.flush()
        while os.read(sys.stdin.fileno(), 1024):
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
