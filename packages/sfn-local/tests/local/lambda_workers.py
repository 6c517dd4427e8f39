"""A Lambda runtime in an event loop of its own thread, called from a test as a client would wait for it."""

import asyncio
import contextlib
import json
import os
import re
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from sfn_local.lambda_runtime.runtime import Function, FunctionError, LambdaRuntime

Result = TypeVar("Result")
OWN_LINE = re.compile(r"(INIT_START|START|END|REPORT) ")
BASE_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def function_arn(name: str) -> str:
    return f"arn:aws:lambda:eu-west-1:000000000000:function:{name}"


class Workers:
    """Registers functions from source text and invokes them."""

    def __init__(self, folder: Path, *, worker_count: int, environment: dict[str, str]) -> None:
        self.folder = folder
        self.runtime = LambdaRuntime(
            worker_count=worker_count, log_folder=folder / "log", base_environment=BASE_ENVIRONMENT | environment
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.run(self.runtime.start())

    def close(self) -> None:
        try:
            self.run(self.runtime.stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def submit(self, coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return self.submit(coroutine).result(timeout=60)

    def register(self, name: str, source: str, *, handler: str = "app.handler", **settings: Any) -> str:
        """Define `name` from the text of its module `app`."""
        code = self.folder / name
        code.mkdir(exist_ok=True)
        (code / "app.py").write_text(source, encoding="utf-8")
        defaults: dict[str, Any] = {
            "timeout_seconds": 30,
            "memory_mib": 128,
            "environment": {},
            "runtime": "python3.14",
        }
        arn = function_arn(name)
        function = Function(name=name, arn=arn, handler=handler, code=code, **(defaults | settings))
        self._loop.call_soon_threadsafe(self.runtime.register, function)
        return arn

    def start(self, arn: str, event: Any) -> Future[bytes]:
        return self.submit(self.runtime.invoke(arn, json.dumps(event).encode()))

    def invoke(self, arn: str, event: Any = None) -> Any:
        return json.loads(self.run(self.runtime.invoke(arn, json.dumps(event).encode())))

    def failure(self, arn: str, event: Any = None) -> FunctionError:
        """Return what the invocation fails with; fail if it does not."""
        try:
            result = self.invoke(arn, event)
        except FunctionError as error:
            return error
        raise AssertionError(f"{arn} returned {result!r}")

    def log(self, name: str) -> str:
        """Return what the function's code wrote, without Lambda's own lines."""
        text = "".join(path.read_text(encoding="utf-8") for path in sorted((self.folder / "log").glob(f"{name}.*log")))
        return "".join(line for line in text.splitlines(keepends=True) if not OWN_LINE.match(line))


@contextlib.contextmanager
def lambda_workers(
    folder: Path, *, worker_count: int = 2, environment: dict[str, str] | None = None
) -> Iterator[Workers]:
    workers = Workers(folder, worker_count=worker_count, environment=environment or {})
    try:
        yield workers
    finally:
        workers.close()
