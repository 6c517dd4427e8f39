"""Estimates of the cost and the duration of a run, before it is started: functions on figures.

Only ``hpc plan`` itself does more: its options, the workload's file, and ``sample``, which runs items to measure them.
"""
