"""Amazon S3 on this machine: the API's actions on an object store.

Differs from AWS:

- What is not in the table of actions below is refused with NotImplemented, naming the action or the parameter:
  versions, ACLs, tags, encryption settings, storage classes, object lock, parts of an object by number.
- Checksums are CRC32, CRC32C, CRC64NVME, SHA1, SHA256 and SHA512; an object that was uploaded without a checksum has
  none.
- ListMultipartUploads gives all uploads in one page.
"""

from sfn_local.s3.service import S3Service

__all__ = ["S3Service"]
