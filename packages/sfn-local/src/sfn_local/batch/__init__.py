"""AWS Batch on this machine: jobs are processes."""
