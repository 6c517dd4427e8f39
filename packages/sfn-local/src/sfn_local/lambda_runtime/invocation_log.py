"""Lambda's own lines of a log stream: one where an environment starts and three about each invocation.

Lines between ``START RequestId: <id>`` and ``END RequestId: <id>`` are the handler's of that invocation; before the
first ``START`` they are its module's.  Source of the format: AWS Lambda developer guide, "Log and monitor Python
Lambda functions".

**Differs from AWS:** an invocation that ends with its process (time-out, exit, a kill for another reason than memory)
has no ``END`` and ``REPORT``: its lines end at the next ``INIT_START``, or with the file.  Of a handler's children the
largest that has ended counts.
"""

import contextlib
import math
import os
import platform
import resource
import sys
import time

_MIB = 1024 * 1024
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024  # getrusage(2): bytes there, KiB elsewhere


def out_of_memory_report(request_id: str, used_mib: int, memory_mib: int) -> str:
    """Return what stands in the log of an invocation that was killed for its memory, which can't write it itself."""
    report = [
        f"REPORT RequestId: {request_id}",
        f"Memory Size: {memory_mib} MB",
        f"Max Memory Used: {used_mib} MB",
        "Status: error",
        "Error Type: Runtime.OutOfMemory",
    ]
    return f"\nEND RequestId: {request_id}\n" + "\t".join(report) + "\n"


class InvocationLog:
    """
    Parameters
    ----------
    descriptor
        File descriptor of the log, open for reading too; a handler may close its own copy afterwards.
    """

    def __init__(self, descriptor: int, *, memory_mib: int) -> None:
        self._descriptor = os.dup(descriptor)
        self._memory_mib = memory_mib
        self._started = time.monotonic()
        self._init_milliseconds: float | None = None
        self._write(f"INIT_START Runtime Version: python:{platform.python_version()}\n")

    def initialized(self) -> None:
        """Take the end of the initialization; the first report tells how long it took."""
        self._init_milliseconds = self._elapsed()

    def begin(self, request_id: str) -> None:
        self._write(f"START RequestId: {request_id} Version: $LATEST\n")
        self._started = time.monotonic()

    def end(self, request_id: str) -> None:
        duration, init = self._elapsed(), self._init_milliseconds
        self._init_milliseconds = None
        peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        used = sum(peaks) * _MAXRSS_BYTES // _MIB
        report = [
            f"REPORT RequestId: {request_id}",
            f"Duration: {duration:.2f} ms",
            f"Billed Duration: {math.ceil(duration + (init or 0))} ms",
            f"Memory Size: {self._memory_mib} MB",
            f"Max Memory Used: {used} MB",
            *([] if init is None else [f"Init Duration: {init:.2f} ms"]),
        ]
        self._write(f"END RequestId: {request_id}\n" + "\t".join(report) + "\n")

    def _elapsed(self) -> float:
        return (time.monotonic() - self._started) * 1000

    def _write(self, text: str) -> None:
        """Write whole lines; a full disk is the handler's to notice, not what ends its invocation."""
        with contextlib.suppress(OSError):
            size_bytes = os.fstat(self._descriptor).st_size
            is_inside_line = size_bytes > 0 and os.pread(self._descriptor, 1, size_bytes - 1) != b"\n"
            os.write(self._descriptor, ("\n" * is_inside_line + text).encode())
