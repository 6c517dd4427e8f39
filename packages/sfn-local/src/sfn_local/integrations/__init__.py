"""Service integrations of Task states: one module for each, found by the text of ``Resource``."""
