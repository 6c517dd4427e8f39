"""Executions of state machines: the interpreter of compiled definitions, and the life of each execution."""
