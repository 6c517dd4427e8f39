"""Kill a process at each step of a change to an object store, and say what is there when the store is opened again.

Run as a program: ``s3_crashes.py FOLDER`` prints, for each change, what was seen after a kill before its first step,
its second step and so on, as JSON.  A step is a file operation or an SQL statement.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sfn_local.object_store import CompletedPart, ObjectStore

FILE_EVENTS = {"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.utime"}


def put(store: ObjectStore) -> None:
    store.put("bkt", "folder/new", [b"new"], metadata={"is": "new"})


def replace(store: ObjectStore) -> None:
    store.put("bkt", "old", [b"replaced"], metadata={"is": "new"})


def put_elsewhere(store: ObjectStore) -> None:
    store.put("bkt", "old/..", [b"no file has this name"])


def delete(store: ObjectStore) -> None:
    store.delete("bkt", "old", "other/old")


def complete(store: ObjectStore) -> None:
    (upload,) = store.uploads.list("bkt")
    (part,) = store.uploads.parts("bkt", "parts", upload.upload_id)
    store.uploads.complete("bkt", "parts", upload.upload_id, [CompletedPart(part.number, part.etag)])


def upload_part(store: ObjectStore) -> None:
    (upload,) = store.uploads.list("bkt")
    with store.uploads.open_part_writer("bkt", "parts", upload.upload_id, 1) as writer:
        writer.write(b"another part")


def abort(store: ObjectStore) -> None:
    (upload,) = store.uploads.list("bkt")
    store.uploads.abort("bkt", "parts", upload.upload_id)


CHANGES: list[Callable[[ObjectStore], None]] = [put, replace, put_elsewhere, delete, complete, upload_part, abort]


def prepare(root: Path) -> None:
    with closing(ObjectStore(root)) as store:
        store.create_bucket("bkt")
        for key in ("old", "other/old"):
            store.put("bkt", key, [b"old"], metadata={"is": "old"})
        upload_id = store.uploads.create("bkt", "parts").upload_id
        with store.uploads.open_part_writer("bkt", "parts", upload_id, 1) as writer:
            writer.write(b"part")


def change_and_die(root: Path, change: Callable[[ObjectStore], None], last_step: int) -> None:
    """Make a change in a process that kills itself before its step ``last_step``, if it has that many."""
    store = ObjectStore(root)
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == last_step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(lambda event, _arguments: step() if event in FILE_EVENTS else None)
    store._index._writer.set_trace_callback(lambda _statement: step())
    change(store)


def look(root: Path) -> dict[str, object]:
    """Open the store as after a restart and describe all of it, and all files that it should not have."""
    with closing(ObjectStore(root)) as store:
        objects = {}
        for listed in store.list("bkt").objects:
            info, file = store.open_with_info("bkt", listed.key)
            with file:
                objects[info.key] = [file.read().decode(), dict(info.attributes.metadata)]
        parts = {
            part.token: (root / ".parts" / part.token).read_text()
            for upload in store.uploads.list("bkt")
            for part in store.uploads.parts("bkt", "parts", upload.upload_id)
        }
        expected = {"." + name for name in ("lock", "index.sqlite", "index.sqlite-wal", "index.sqlite-shm")}
        expected |= {f".parts/{token}" for token in parts}
        expected |= {store._content.find("bkt", key).path for key in objects}
        files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
        uploads = len(store.uploads.list("bkt"))
    return {
        "objects": objects,
        "uploads": uploads,
        "parts": list(parts.values()),
        "missing_files": sorted(expected - files),
        "stray_files": sorted(files - expected),
    }


def observe(folder: Path, change: Callable[[ObjectStore], None]) -> list[dict[str, object]]:
    """Return what is there after a kill before each step, and last what is there after no kill."""
    seen = []
    is_killed = True
    while is_killed:
        root = folder / "s3"
        prepare(root)
        child = os.fork()
        if child == 0:
            change_and_die(root, change, len(seen) + 1)
            os._exit(0)
        is_killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        seen.append(look(root))
        shutil.rmtree(root)
    return seen


if __name__ == "__main__":
    print(json.dumps({change.__name__: observe(Path(sys.argv[1]), change) for change in CHANGES}))
