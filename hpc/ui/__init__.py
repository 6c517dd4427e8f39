"""The page of `hpc ui`: runs as they go, on loopback, for the person who started it."""
