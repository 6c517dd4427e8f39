"""The object store when its process is killed: whole objects, nothing acknowledged lost, nothing left behind."""

import json
import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import s3_crashes
from sfn_local.object_store import NoSuchKeyError, ObjectStore

OLD = {"old": ["old", {"is": "old"}], "other/old": ["old", {"is": "old"}]}


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    command = [sys.executable, s3_crashes.__file__, str(tmp_path_factory.mktemp("crashes"))]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        ("put", (OLD, 1, ["part"]), (OLD | {"folder/new": ["new", {"is": "new"}]}, 1, ["part"])),
        ("replace", (OLD, 1, ["part"]), (OLD | {"old": ["replaced", {"is": "new"}]}, 1, ["part"])),
        ("put_elsewhere", (OLD, 1, ["part"]), (OLD | {"old/..": ["no file has this name", {}]}, 1, ["part"])),
        ("delete", (OLD, 1, ["part"]), ({}, 1, ["part"])),
        ("complete", (OLD, 1, ["part"]), (OLD | {"parts": ["part", {}]}, 0, [])),
        ("upload_part", (OLD, 1, ["part"]), (OLD, 1, ["another part"])),
        ("abort", (OLD, 1, ["part"]), (OLD, 0, [])),
    ],
)
def test_change_that_is_killed_at_any_step_is_made_whole_or_not_at_all(
    observed: Any, change: str, before: tuple[Any, ...], after: tuple[Any, ...]
) -> None:
    seen = observed[change]
    states = [(one["objects"], one["uploads"], one["parts"]) for one in seen]
    switch = states.index(after)
    assert states[:switch] == [before] * switch
    assert states[switch:] == [after] * (len(states) - switch)
    # At least: make and fill a file, begin, change and commit the entry; so kills fell on both sides of the commit.
    assert switch >= 3
    assert len(states) - switch >= 2
    assert [one["missing_files"] + one["stray_files"] for one in seen] == [[]] * len(seen)


WRITERS = """
import sys, threading
from pathlib import Path
from sfn_local.object_store import ObjectStore

store = ObjectStore(Path(sys.argv[1]))

def write(name):
    for version in range(100_000):
        store.put("bkt", name, [f"{version} ".encode() * 20_000])
        # One write to a pipe, so that lines of threads don't mix.
        sys.stdout.write(f"{name} {version}\\n")
        sys.stdout.flush()

for name in ("a", "b/c", "b//d", "e"):
    threading.Thread(target=write, args=(name,)).start()
"""


def test_objects_that_were_acknowledged_survive_a_kill(tmp_path: Path) -> None:
    with closing(ObjectStore(tmp_path)) as store:
        store.create_bucket("bkt")
    choice = random.Random(1)
    for _ in range(5):
        acknowledged: dict[str, int] = {}
        with subprocess.Popen([sys.executable, "-c", WRITERS, str(tmp_path)], stdout=subprocess.PIPE, text=True) as run:
            lines = [run.stdout.readline() for _ in range(choice.randrange(1, 60))]
            run.kill()
            lines += run.stdout.readlines()
        for line in lines:
            if line.endswith("\n"):
                name, version = line.split()
                acknowledged[name] = int(version)
        with closing(ObjectStore(tmp_path)) as store:
            for name, version in acknowledged.items():
                with store.open("bkt", name) as file:
                    words = file.read().decode().split(" ")[:-1]
                # The next write may have been on its way; it is there whole, or not.
                assert words in ([str(version)] * 20_000, [str(version + 1)] * 20_000)
            assert list((tmp_path / ".staging").iterdir()) == []


def test_object_that_was_never_finished_is_not_there(tmp_path: Path) -> None:
    program = (
        "import sys, os, signal; from pathlib import Path; from sfn_local.object_store import ObjectStore\n"
        "store = ObjectStore(Path(sys.argv[1])); store.create_bucket('bkt')\n"
        "writer = store.open_writer('bkt', 'k'); writer.write(bytes(10_000_000))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == -9
    with closing(ObjectStore(tmp_path)) as store:
        with pytest.raises(NoSuchKeyError):
            store.info("bkt", "k")
        assert store.list("bkt").objects == []
        assert list((tmp_path / ".staging").iterdir()) == []
