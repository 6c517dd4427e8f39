"""What a program calls: runs as objects, functions as workloads.  ``import hpc`` has all of it."""
