"""The environment of a process whose AWS clients use the local server, and never the user's own account."""

import os
from collections.abc import Mapping

from hpc.targets.client import Target

# Settings of AWS's clients, and of proxies, which would be asked for loopback too.
CLIENT_PREFIXES = ("AWS_", "BOTO_")
PROXY_SUFFIX = "_proxy"


def aws_variables(*, endpoint_url: str, region: str, access_key_id: str, secret_access_key: str) -> dict[str, str]:
    """Return the variables that AWS's tools need to use a local server."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": access_key_id,
        "AWS_SECRET_ACCESS_KEY": secret_access_key,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        # Else StartSyncExecution is sent to sync-127.0.0.1, which is no host.
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
    }


def local_environment(target: Target, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return an environment in which every AWS client finds the local server and its key, and nothing of the user's.

    Parameters
    ----------
    target
        A local server.
    environment
        Everything of it is kept but settings of AWS's clients and of proxies.
    """
    credentials = target.session.get_credentials()
    assert target.endpoint_url is not None
    assert credentials is not None
    kept = {name: value for name, value in environment.items() if not _is_client_setting(name)}
    return (
        kept
        | aws_variables(
            endpoint_url=target.endpoint_url,
            region=str(target.session.region_name),
            access_key_id=credentials.access_key,
            secret_access_key=credentials.secret_key,
        )
        | {
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    )


def _is_client_setting(name: str) -> bool:
    return name.startswith(CLIENT_PREFIXES) or name.lower().endswith(PROXY_SUFFIX)
