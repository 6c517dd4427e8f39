"""Access keys of the local endpoint: the server's own, and those that processes get for their roles."""

import secrets
from collections.abc import Mapping

from sfn_local.endpoint.sigv4 import Credential


class KeyPairs:
    """
    Parameters
    ----------
    credentials : mapping
        The keys that there are, by access key id.

    Attributes
    ----------
    credentials : dict
        All keys that the endpoint accepts.
    """

    def __init__(self, credentials: Mapping[str, Credential]) -> None:
        self.credentials = dict(credentials)
        self._environments: dict[str, Mapping[str, str]] = {}

    def add(self, principal: str) -> tuple[str, str]:
        """Make a key pair of a principal; return its id and its secret."""
        access_key_id, secret = secrets.token_hex(10).upper(), secrets.token_urlsafe(30)
        self.credentials[access_key_id] = Credential(secret, principal=principal)
        return access_key_id, secret

    def remove(self, access_key_id: str) -> None:
        """Accept a key pair no more."""
        del self.credentials[access_key_id]

    def environment(self, principal: str) -> Mapping[str, str]:
        """Return variables with a key pair of a principal; its processes share it."""
        if principal not in self._environments:
            access_key_id, secret = self.add(principal)
            self._environments[principal] = {"AWS_ACCESS_KEY_ID": access_key_id, "AWS_SECRET_ACCESS_KEY": secret}
        return self._environments[principal]
