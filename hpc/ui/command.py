"""`hpc ui`: serves the page until a signal ends it, and opens it in the browser."""

import argparse
import socket
import threading
import time
import webbrowser

from hpc.errors import ExitCode, NotStartedError
from hpc.terminal.console import emit, say
from hpc.ui.door import Door

STARTING_PAUSE_SECONDS = 0.02
ENDING_SECONDS = 1
SIGNAL_LOOK_SECONDS = 0.5


def ui(args: argparse.Namespace) -> int:
    """Serve the page on loopback; a signal is how this command succeeds."""
    try:
        import uvicorn  # noqa: PLC0415 - of an extra

        from hpc.ui.app import Page, make_app  # noqa: PLC0415 - as above
        from hpc.ui.changes import Changes  # noqa: PLC0415 - as above
        from hpc.ui.guard import Guard  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise NotStartedError("the page's server is not installed: pip install 'serverless-hpc[ui]'") from None
    door = Door(args)
    place = [*(["--aws"] if args.aws else []), *(["--stack-name", args.stack_name] if args.stack_name else [])]
    listener = _listen(args.port)
    port = listener.getsockname()[1]
    changes = Changes(place) if args.allow_changes else None
    page = Page(door, changes, place=" ".join(place) or "this machine")
    guard = Guard(make_app(page), port=port, allow_changes=args.allow_changes)
    # No access log: addresses have the token.
    config = uvicorn.Config(
        guard,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        timeout_graceful_shutdown=ENDING_SECONDS,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="ui")
    thread.start()
    try:
        while thread.is_alive() and not server.started:
            time.sleep(STARTING_PAUSE_SECONDS)
        address = f"http://127.0.0.1:{port}/?token={guard.token}"
        emit(address, kept_in="no file")
        say(f"the page of {page.place} is open to this address alone (Ctrl-C ends it)")
        if not args.no_browser:
            webbrowser.open(address)
        while thread.is_alive():  # until a signal's handler raises
            thread.join(SIGNAL_LOOK_SECONDS)
    except KeyboardInterrupt:
        return ExitCode.SUCCEEDED
    finally:
        server.should_exit = True
        thread.join()
    return ExitCode.FAILED


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise NotStartedError(f"--port {port} can't be listened on: {error}") from error
