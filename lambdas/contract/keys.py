"""Keys of a run's files in the results bucket.

A run's files are under ``runs/<name>/``, what a person uploads for it is under ``uploads/<name>/``.
"""

RUNS_PREFIX = "runs/"
UPLOADS_PREFIX = "uploads/"

# Files of a run, below its folder: by Start, by Compute and the jobs, by Step Functions, by Sum.
SETTINGS_FILE = "run.json"
BATCHES_FILE = "batches.jsonl"
ITEMS_FILE = "items.jsonl"
PARTS_FOLDER = "parts/"
ARRAY_PARTS_FOLDER = "batch/"
CALLBACK_PARTS_FOLDER = "batch_callback/"
MAP_FOLDER = "map"
RESULT_FILE = "result.json"
RESULT_BYTES_FILE = "result.bin"
RESULT_ARRAY_FILE = "result.npy"
RESULTS_FILE = "results.jsonl"
FAILED_FILE = "failed.jsonl"
RECORDS_FILE = "records.json"


def run_key(run: str, file: str) -> str:
    """Return the key of a run's file."""
    return f"{RUNS_PREFIX}{run}/{file}"


def upload_key(run: str, file: str) -> str:
    """Return the key of something that is uploaded for a run."""
    return f"{UPLOADS_PREFIX}{run}/{file}"
