"""The state machines of a cloud assembly, run on this machine behind AWS's own APIs on loopback."""
