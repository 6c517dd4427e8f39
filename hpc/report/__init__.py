"""The report of a run: one HTML file that explains it without a network."""
