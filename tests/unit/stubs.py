"""A deployed stack whose clients a botocore Stubber can answer for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.stub import Stubber

from hpc.client import AWS_PACE, Target, local_config, local_session


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
