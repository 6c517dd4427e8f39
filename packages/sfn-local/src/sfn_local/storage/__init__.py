"""State that outlives the process: executions, their histories, Map Runs and their children, in one SQLite file."""
