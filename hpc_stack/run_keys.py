"""Keys of a run's files in the results bucket, by who writes and reads them; ``*`` stands for the name of the run.

Those that may be long are uploaded in parts, so that whoever writes them may have to abort an upload.
"""


def files(*names: str) -> tuple[str, ...]:
    return tuple(f"runs/*/{name}" for name in names)


# Workloads that runs bring, named by their hash.  Start and Compute may read all of uploads/ as it is.
UPLOADED_WORKLOADS = "uploads/workloads/*"
START_UPLOADS = files("items.jsonl")
START = files("run.json", "batches.jsonl") + START_UPLOADS
SUM_UPLOADS = files("result.bin", "result.npy", "results.jsonl", "failed.jsonl")
SUM = files("result.json", "records.json") + SUM_UPLOADS
COMPUTE = files("parts/*")
# A child of an array job has a number of up to four digits, a job with a token its id.  The orchestrator's own runs are
# in folders called batch/ and batch_callback/, and no file that their functions write has such a name.
ARRAY_PARTS = files(*(f"batch/{'?' * digits}.jsonl" for digits in range(1, 5)))
JOB_UPLOADS = ARRAY_PARTS + files("batch_callback/*-*-*-*-*.jsonl")
JOB = COMPUTE + JOB_UPLOADS

COMPUTE_READS = files("run.json", "items.jsonl")
# An attempt after the first looks at the part that the one before it may have written.
JOB_READS = files("batches.jsonl") + COMPUTE_READS + JOB_UPLOADS
SUM_READS = files("batches.jsonl", "records.json", "map/*", "parts/*") + COMPUTE_READS + JOB_UPLOADS
# A redrive begins with what an earlier run left.  Of one that ended before its Sum, it reads which items have a result;
# what a job with a token wrote counts only once the task has its answer, and is Sum's to read.
START_READS = (
    files("run.json", "batches.jsonl", "items.jsonl", "failed.jsonl", "records.json", "result.json", "map/*", "parts/*")
    + ARRAY_PARTS
)
START_LISTS = files("map/", "batch/", "batch_callback/")
COMPARE_READS = files("result.json", "result.bin", "result.npy", "results.jsonl")
