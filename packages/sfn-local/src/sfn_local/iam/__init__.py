"""AWS Identity and Access Management on this machine: policies, and what they decide."""
