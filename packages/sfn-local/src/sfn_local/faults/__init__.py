"""Faults on request: what is to fail is said in a spec, drawn from its seed, and made to fail by the runner itself."""
