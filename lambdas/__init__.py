"""Handlers of the state machine and of jobs, and the workloads that they run."""

import sys

# Results are exact integers of any length; Python's own guard stops at 4,300 digits (index 1,995 of utf8_keys).
# This is the one place that lifts it: every module of this package is imported through here.
sys.set_int_max_str_digits(0)
