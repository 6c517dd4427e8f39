"""A deployed stack whose clients a botocore Stubber can answer for."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from botocore.stub import Stubber

from hpc.targets.client import AWS_PACE, Target, local_config, local_session

ACCOUNT = "us-east-1:000000000000"
MACHINE = f"arn:aws:states:{ACCOUNT}:stateMachine:Machine"


def ended_execution(status: str) -> dict[str, Any]:
    """Return ``run-1`` of MACHINE as Step Functions tells of it."""
    return {
        "executionArn": f"arn:aws:states:{ACCOUNT}:execution:Machine:run-1",
        "stateMachineArn": MACHINE,
        "name": "run-1",
        "status": status,
        "startDate": datetime(2026, 11, 22, tzinfo=UTC),
        "stopDate": datetime(2026, 11, 22, tzinfo=UTC),
    }


def deployed_stack(state_machine_arn: str) -> Target:
    """Return a target of AWS with keys that no account has."""
    session = local_session(region="us-east-1", access_key_id="key", secret_access_key="secret")
    return Target(session, local_config(), None, state_machine_arn, "results", AWS_PACE, is_local=False)


@contextmanager
def answering(client: Any) -> Iterator[Stubber]:
    """Let a client answer what is added, all of which has to be asked for."""
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()
