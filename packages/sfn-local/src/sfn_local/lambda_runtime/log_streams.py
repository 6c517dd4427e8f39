"""Log files of worker processes: one process at a time writes to a file, so that lines never mix.

**Differs from AWS:** a log stream is a file of the function, and the next worker goes on in it: the first one is
``<function>.log``, those beside it ``<function>.1.log`` and so on, as many as ran at once.
"""

from itertools import count


class LogStreams:
    def __init__(self) -> None:
        self._taken: dict[str, str] = {}  # names of files by worker

    def take(self, identity: str, function_name: str) -> str:
        """Return the name of the file for a worker that is about to start."""
        taken = set(self._taken.values())
        names = (f"{function_name}.{number}.log" if number else f"{function_name}.log" for number in count())
        self._taken[identity] = next(name for name in names if name not in taken)
        return self._taken[identity]

    def name_of(self, identity: str) -> str | None:
        """Return the name of a worker's file."""
        return self._taken.get(identity)

    def release(self, identity: str) -> None:
        """Let the next worker have the file of one whose process has ended, and no sooner."""
        self._taken.pop(identity, None)

    def release_all(self) -> None:
        self._taken.clear()
