"""Policies that AWS manages, as far as templates attach them to roles.

Source: AWS managed policy reference guide.
"""

from collections.abc import Mapping
from typing import Any

MANAGED_POLICIES: Mapping[str, Mapping[str, Any]] = {
    "service-role/AWSLambdaBasicExecutionRole": {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": "*",
            }
        ],
    },
}
"""By what follows ``arn:aws:iam::aws:policy/``."""
