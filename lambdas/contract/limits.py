"""Limits that at least two of `lambdas`, `hpc_stack` and `hpc` use, or two modules of one of them.

A number that only one module needs is in that module.
"""

# Source: Step Functions quotas, parallel child workflow executions of a Map Run.  More batches would wait for others.
MAX_BATCH_COUNT = 10_000
# Same source.
MAX_CONCURRENCY = 10_000
# Source: AWS Batch, "Array jobs": an array has 2 to 10,000 children.
MIN_ARRAY_SIZE = 2
MAX_ARRAY_SIZE = 10_000
# Step Functions stores numbers as doubles: the largest integer up to which a double holds every integer exactly.
MAX_ITEMS = 2**53
# Bytes of a child's output above which it goes to S3: Step Functions' 256 KiB, less room for the rest of the state.
MAX_OUTPUT_BYTES = 200_000
# Bytes of one item as JSON.  The memory of the smallest function has room for four items of this size.
MAX_ITEM_BYTES = 1024 * 1024
# Characters of each field in the record of a failed item.
MAX_ERROR_TYPE_CHARACTERS = 100
MAX_ERROR_MESSAGE_CHARACTERS = 500
MAX_ERROR_TRACEBACK_CHARACTERS = 2_000
# Share of an invocation, and its limits, that Compute reserves to write its part and to return.
RESERVE_SHARE = 0.1
MIN_RESERVE_SECONDS = 0.5
MAX_RESERVE_SECONDS = 10.0
# Source: Lambda quotas, "Function timeout", as aws-cdk-lib 2.275 knows it.
MAX_FUNCTION_TIMEOUT_SECONDS = 900
# Bytes of an uploaded workload as a zip file and unpacked, and its files.  /tmp of a Lambda function has 512 MB.
MAX_PACKED_BYTES = 50 * 1024 * 1024
MAX_UNPACKED_BYTES = 250 * 1024 * 1024
MAX_PACKAGE_FILES = 10_000
# Characters of a note that a person gives a run.
MAX_NOTE_CHARACTERS = 1_000
