"""Interface through which fault injection ends the worker of an invocation."""

from typing import Protocol


class Trial(Protocol):
    """Faults of one invocation; see :mod:`sfn_local.faults`.

    Attributes
    ----------
    after_seconds : float or None
        When the worker is to be ended, None if it is not.
    """

    has_ended: bool

    @property
    def after_seconds(self) -> float | None: ...

    @property
    def is_timeout(self) -> bool: ...

    def is_due(self) -> bool:
        """Whether the worker is to be ended now that it answers, if it was not before."""
        ...

    def note_end(self) -> None: ...
