"""Distributed Maps: items in, child executions side by side, result files out."""
