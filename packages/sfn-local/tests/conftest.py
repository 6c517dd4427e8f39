"""Fixtures of all tests of the runner, which may be run without those of the project."""

from hypothesis import HealthCheck, settings

# How long an example takes, or its input, depends on what else the machine does; it says nothing about the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
