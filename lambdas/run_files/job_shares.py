"""Jobs of AWS Batch: their names, which batches each child of an array job computes, and where it writes them."""

from lambdas.contract import keys
from lambdas.contract.limits import MAX_ARRAY_SIZE, MIN_ARRAY_SIZE


def array_size(batch_count: int, limit: int) -> int:
    """Return the number of children for that many batches: one each, up to ``limit``; some idle where one would do."""
    return max(MIN_ARRAY_SIZE, min(batch_count, limit, MAX_ARRAY_SIZE))


def share(batch_count: int, array_size: int, index: int) -> range:
    """Return the batches of child ``index``; the shares of all children are all batches, in order, within one equal."""
    return range(batch_count * index // array_size, batch_count * (index + 1) // array_size)


def job_name(run: str, back_end: str) -> str:
    """Return the name of a run's job: the same at every attempt, and no other run's; at most 106 of 128 characters.

    Executions of two machines may have the same name: MapReduce has one run an execution, SyncNested two.
    """
    execution, _, nested = run.partition("/")
    return machine_job_name("SyncNested" if nested else "MapReduce", execution, back_end)


def machine_job_name(machine: str, execution: str, back_end: str) -> str:
    """Return the name of a job of an execution."""
    return f"{machine}-{execution}-{back_end}"


def array_part_key(run: str, index: int) -> str:
    """Key of what child ``index`` writes; the same whichever array job it is of, so that a redrive finds it."""
    return keys.run_key(run, f"{keys.ARRAY_PARTS_FOLDER}{index}.jsonl")


def callback_part_key(run: str, job_id: str) -> str:
    """Key of what a job with a task token writes; its own, because only one job's answer is accepted."""
    return keys.run_key(run, f"{keys.CALLBACK_PARTS_FOLDER}{job_id}.jsonl")
