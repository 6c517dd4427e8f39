"""Clients of AWS Batch and Step Functions: one for each process, made at first use, when credentials are set."""

import functools
from typing import Any

import boto3
from botocore.config import Config

# SubmitJob is limited to 50 calls a second in an account: some patience pays.  Source: AWS Batch service quotas.
CONFIG = Config(retries={"mode": "standard", "max_attempts": 8}, connect_timeout=5, read_timeout=30)


@functools.cache
def batch_client() -> Any:
    """Client of AWS Batch."""
    return boto3.client("batch", config=CONFIG)


@functools.cache
def step_functions_client() -> Any:
    """Client of Step Functions."""
    return boto3.client("stepfunctions", config=CONFIG)
