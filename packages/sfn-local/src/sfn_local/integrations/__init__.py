"""What a Task state can call: one module an integration, found by the text of ``Resource``."""
