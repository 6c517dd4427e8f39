"""A function that returns its event, behind the local Lambda runtime."""

import os
from pathlib import Path

from sfn_local.lambda_runtime.runtime import Function, LambdaRuntime

ARN = "arn:aws:lambda:us-east-1:000000000000:function:noop"


def define_runtime(folder: Path, worker_count: int) -> LambdaRuntime:
    """Return a runtime, to be started, that has the function; its code and logs are in ``folder``."""
    (folder / "noop.py").write_text("def handler(event, context):\n    return event\n")
    environment = {"AWS_ACCESS_KEY_ID": "-", "AWS_SECRET_ACCESS_KEY": "-", "AWS_CONFIG_FILE": os.devnull}
    runtime = LambdaRuntime(worker_count=worker_count, log_folder=folder / "log", base_environment=environment)
    runtime.register(
        Function(
            name="noop",
            arn=ARN,
            handler="noop.handler",
            code=folder,
            timeout_seconds=30,
            memory_mib=128,
            environment={},
            runtime="python3.14",
        )
    )
    return runtime
