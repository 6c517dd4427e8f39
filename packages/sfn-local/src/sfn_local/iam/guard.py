"""Services that ask first whether their caller may do what is asked."""

from collections.abc import Mapping
from typing import Any

from sfn_local.iam.access import Access
from sfn_local.iam.api_actions import Rights, listing, object_arn
from sfn_local.protocol import Service, ServiceError

Params = dict[str, Any]
Result = dict[str, Any]

_READS = frozenset(("GetObject", "HeadObject"))
# What S3 also decrypts for.  Source: "Uploading and copying objects using multipart upload", permissions with KMS.
_IN_PARTS = frozenset(("CompleteMultipartUpload", "CreateMultipartUpload", "UploadPart", "UploadPartCopy"))


class GuardedService:
    """A service behind the rights that its operations take.

    Parameters
    ----------
    rights : mapping
        By operation; one that is not here is one that the service does not have.
    """

    def __init__(self, service: Service, access: Access, rights: Mapping[str, Rights]) -> None:
        self._service = service
        self._access = access
        self._rights = rights

    async def handle(self, action: str, params: Params, principal: str) -> Result:
        """Perform an action; see :class:`sfn_local.protocol.Service`."""
        if action in self._rights:
            for needed in self._rights[action](params):
                self._access.require(principal, *needed)
        return await self._service.handle(action, params, principal)


class GuardedS3(GuardedService):
    """S3, which tells only who may list a bucket that a key is missing, and deletes what may be deleted of many keys.

    Source: Amazon S3 API reference, GetObject and HeadObject, "Permissions"; DeleteObjects, ``Errors``.
    """

    async def handle(self, action: str, params: Params, principal: str) -> Result:
        """Perform an action; see :class:`sfn_local.protocol.Service`."""
        if action == "DeleteObjects":
            return await self._delete(params, principal)
        if action in _IN_PARTS:
            self._access.require_key(principal, "kms:Decrypt", object_arn(params["Bucket"], params["Key"]))
        try:
            return await super().handle(action, params, principal)
        except ServiceError as error:
            if error.code == "NoSuchKey" and action in _READS:
                self._access.require(principal, *listing(params["Bucket"], params["Key"]))
            raise

    async def _delete(self, params: Params, principal: str) -> Result:
        allowed, errors = [], []
        for entry in params["Delete"]["Objects"]:
            try:
                self._access.require(principal, "s3:DeleteObject", object_arn(params["Bucket"], entry["Key"]))
                allowed.append(entry)
            except ServiceError as error:
                errors.append({"Key": entry["Key"], "Code": error.code, "Message": error.message})
        if not errors:
            return await self._service.handle("DeleteObjects", params, principal)
        result: Result = {}
        if allowed:
            rest = {**params, "Delete": {**params["Delete"], "Objects": allowed}}
            result = await self._service.handle("DeleteObjects", rest, principal)
        return {**result, "Errors": errors}
