"""SIGINT and SIGTERM end a command whose server evaluates what has no end, and nothing of it is left."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
from hostile import MACHINES
from hpc_commands import assembly, command, environment
from processes import descendants, wait_until_gone
from sfn_local.server import attach
from states_endpoint import PASS, States

# 2 s on a machine that does nothing else.
ENDS_WITHIN_SECONDS = 20
NAMES = (
    "jsonata-match",
    "jsonata-recursion",
    "jsonata-range-mapped",
    "jsonpath-scans",
    "loop-express",
    "loop-in-children",
)
HOLDING = [hostile for hostile in MACHINES if hostile.name in NAMES]


COMMANDS = {
    "serve": ("serve",),
    "run": ("run", "--size", "2", "--workload", "rehearsal", "--params", '{"seconds": 600}'),
}


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal_ends_the_command_that_serves_whatever_is_evaluated(
    tmp_path: Path, name: str, ending: signal.Signals
) -> None:
    arguments = COMMANDS[name] if name == "run" else (*COMMANDS[name], "--assembly", str(assembly()))
    server = subprocess.Popen(
        command(*arguments),
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while (connection := attach(tmp_path)) is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        states = States(connection)
        for hostile in HOLDING:
            states.start(states.create(hostile.name, hostile.definition, type=hostile.type), hostile.input)
        assert states.run(states.create("other", PASS))["status"] == "SUCCEEDED"
        processes = descendants(server.pid)
        server.send_signal(ending)
        out, err = server.communicate(timeout=ENDS_WITHIN_SECONDS)
    finally:
        server.kill()
        server.communicate()
    assert "Traceback" not in out + err
    assert server.returncode == (0 if name == "serve" else 128 + ending)
    wait_until_gone(processes)
