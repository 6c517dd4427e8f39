"""The command `sfn-local`: serve a cloud assembly until a signal ends it."""

import argparse
import os
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from sfn_local.server import Connection, LocalServer, ServerInUseError, not_made_here

HOME_VARIABLE = "SFN_LOCAL_HOME"
DEFAULT_HOME = ".sfn-local"
FAILED = 1
NOT_STARTED = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = _parser().parse_args(argv)
    home = Path(args.home or os.environ.get(HOME_VARIABLE) or DEFAULT_HOME).absolute()
    assembly = Path(args.assembly)
    if not (assembly / "manifest.json").is_file():
        return _refuse(f"--assembly must be a cloud assembly, a folder with manifest.json, got {assembly}")
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: ended.set())
    try:
        with LocalServer(home, assembly.resolve(), port=args.port) as connection:
            if connection.not_made:
                print(f"sfn-local: {not_made_here(connection)}", file=sys.stderr)  # noqa: T201
            print(exports(connection), flush=True)  # noqa: T201 - the command's output
            _wait(ended)
    except ServerInUseError as error:
        return _refuse(f"{error}: stop it, or give another --home")
    except Exception as error:  # an assembly may hold anything, and any part of the server may find it
        return _refuse(f"{assembly} can't be served: {type(error).__name__}: {error}")
    return 0


def exports(connection: Connection) -> str:
    """Return the shell commands after which AWS's own tools use the server."""
    variables = {
        "AWS_ENDPOINT_URL": connection.endpoint_url,
        "AWS_ACCESS_KEY_ID": connection.access_key_id,
        "AWS_SECRET_ACCESS_KEY": connection.secret_access_key,
        "AWS_REGION": connection.region,
        "AWS_DEFAULT_REGION": connection.region,
        # Without it, clients send StartSyncExecution to sync-127.0.0.1, which is no host.
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
    }
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sfn-local",
        description="AWS Step Functions, S3, Lambda and AWS Batch on this machine.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"sfn-local {version('sfn-local')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    serve = commands.add_parser(
        "serve",
        help="serve a cloud assembly on loopback",
        description="Make what a cloud assembly describes and serve AWS's APIs for it until Ctrl-C.\n"
        "The variables that AWS's tools need are written to standard output; keep them private.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    serve.add_argument("--assembly", default="cdk.out", metavar="DIR", help="folder that cdk synth wrote (cdk.out)")
    serve.add_argument(
        "--home", metavar="DIR", help=f"folder for objects, executions and logs (${HOME_VARIABLE} or {DEFAULT_HOME})"
    )
    serve.add_argument("--port", type=int, default=0, metavar="N", help="port of the endpoint (any that is free)")
    return parser


def _wait(ended: threading.Event) -> None:
    while not ended.wait(0.5):  # with a limit: a signal that comes just before a wait would not end one without
        pass


def _refuse(message: str) -> int:
    print(f"sfn-local: {message}", file=sys.stderr)  # noqa: T201 - the command's own error
    return NOT_STARTED


if __name__ == "__main__":
    sys.exit(main())
