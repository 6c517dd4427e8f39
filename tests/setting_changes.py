"""Another value of every setting that may change, as a deployed stack may get it."""

from dataclasses import fields
from typing import Any

from hpc_stack.config import HpcConfig

# Setting -> another value than that of BASE, with what has to go with it.
CHANGES: dict[str, dict[str, Any]] = {
    "architecture": {"architecture": "x86_64"},
    "python": {"python": "3.13"},
    "compute_memory_mib": {"compute_memory_mib": 256},
    "compute_timeout_seconds": {"compute_timeout_seconds": 60},
    "ephemeral_storage_mib": {"ephemeral_storage_mib": 1_024},
    "environment": {"environment": {"MODEL": "large"}},
    "policies": {"policies": ["arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess"]},
    "max_concurrency": {"max_concurrency": 7},
    "max_items": {"max_items": 7},
    "run_timeout_seconds": {"run_timeout_seconds": 100_000},
    "max_usd": {"max_usd": 7},
    "child_type": {"child_type": "EXPRESS", "compute_timeout_seconds": 60},
    "results_expire_after_days": {"results_expire_after_days": 60},
    "retain_results": {"retain_results": True},
    "log_retention_days": {"log_retention_days": 7},
    "source_buckets": {"source_buckets": ["data-1"]},
    "kms": {"kms": True},
    "uploaded_workloads": {"uploaded_workloads": False},
    "alarms": {"alarms": True},
    "notify_email": {"notify_email": "team@example.org"},
    "tags": {"tags": {"team": "ice"}},
    "source_kms_keys": {"source_buckets": ["data-1"], "source_kms_keys": ["arn:aws:kms:us-east-1:111122223333:key/1"]},
    "batch": {"batch": False, "orchestrator": False},
    "batch_image": {"batch_image": "docker.io/team/hpc:1"},
    "batch_architecture": {"batch_architecture": "x86_64"},
    "batch_spot": {"batch_spot": True},
    "batch_vcpus": {"batch_vcpus": 2, "batch_memory_mib": 4_096},
    "batch_memory_mib": {"batch_memory_mib": 3_072},
    "batch_max_vcpus": {"batch_max_vcpus": 12},
    "batch_timeout_seconds": {"batch_timeout_seconds": 60},
    "batch_run_timeout_seconds": {"batch_run_timeout_seconds": 80_000},
    "callback_heartbeat_seconds": {"callback_heartbeat_seconds": 60},
    "vpc_id": {"vpc_id": "vpc-0123456789abcdef0", "subnet_ids": "subnet-01234567,subnet-0123456789abcdef0"},
    "subnet_ids": {"vpc_id": "vpc-0123456789abcdef0", "subnet_ids": "subnet-01234567,subnet-0123456789abcdef0"},
    "subnet_access": {"subnet_access": "private"},
    "orchestrator": {"orchestrator": False},
    "orchestrator_max_concurrency": {"orchestrator_max_concurrency": 3},
    "orchestrator_job_timeout_seconds": {"orchestrator_job_timeout_seconds": 240},
    "orchestrator_retry_interval_seconds": {"orchestrator_retry_interval_seconds": 3},
}


def without_batch() -> dict[str, Any]:
    """Return the other values of all settings that have an effect without AWS Batch, together."""
    alone = [each.name for each in fields(HpcConfig) if each.metadata["needs"] is None and each.name != "batch"]
    return {key: value for name in alone if name in CHANGES for key, value in CHANGES[name].items()}
