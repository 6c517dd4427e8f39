"""Of every suite: the test run takes an interrupt as a terminal would give it.

A shell that starts the run in the background has it ignore SIGINT, and so would every process that a test starts.
"""

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
