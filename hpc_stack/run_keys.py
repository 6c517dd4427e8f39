"""Keys of a run's files in the results bucket, by who writes them; ``*`` stands for the name of the run.

The local runner looks at no role: a test holds the files that the handlers write against these.
"""


def files(*names: str) -> tuple[str, ...]:
    return tuple(f"runs/*/{name}" for name in names)


START = files("run.json", "batches.jsonl", "items.jsonl")
SUM = files("result.json", "result.bin", "result.npy", "results.jsonl", "failed.jsonl", "records.json")
COMPUTE = files("parts/*")
JOB = files("parts/*", "batch/*", "batch_callback/*")
