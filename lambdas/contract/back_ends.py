"""Names of the back ends, which compute the batches of a run."""

LAMBDA = "lambda"
BATCH = "batch"
BATCH_CALLBACK = "batch_callback"
# On AWS Batch: as an array job, and as a job that returns a task token.
JOB_BACK_ENDS = (BATCH, BATCH_CALLBACK)
BACK_ENDS = (LAMBDA, *JOB_BACK_ENDS)
DEFAULT_BACK_END = LAMBDA
