"""Counts of a Map Run's children, or of its items, by status."""

from dataclasses import dataclass, field

_COUNT_OF_STATUS = {"SUCCEEDED": "succeeded", "FAILED": "failed", "TIMED_OUT": "timedOut", "ABORTED": "aborted"}


@dataclass(slots=True)
class Counts:
    """Children (or items) by what became of them.

    Attributes
    ----------
    pending_redrive : int
        Children that failed before and will run again.
    not_redrivable : int
        Failed children that can't run again.
    """

    running: int = 0
    pending_redrive: int = 0
    not_redrivable: int = 0
    ended: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNT_OF_STATUS, 0))

    @property
    def failed(self) -> int:
        """The number that counts against the tolerance."""
        return self.ended["FAILED"] + self.ended["TIMED_OUT"]

    @property
    def recorded(self) -> int:
        """The number that have ended."""
        return sum(self.ended.values())

    def redriven(self) -> "Counts":
        """Return the counts at the begin of a redrive, given those of what is stored: what failed is to run again."""
        ended = dict.fromkeys(_COUNT_OF_STATUS, 0)
        ended |= {"SUCCEEDED": self.ended["SUCCEEDED"], "FAILED": self.not_redrivable}
        waiting = self.recorded - sum(ended.values())
        return Counts(pending_redrive=waiting, not_redrivable=self.not_redrivable, ended=ended)

    @property
    def known(self) -> int:
        """The number that have a record."""
        return self.recorded + self.pending_redrive

    @property
    def started(self) -> int:
        return self.running + self.recorded

    def item_counts(self, total: int, results_written: int) -> dict[str, int]:
        """Return the counts as DescribeMapRun gives them."""
        return {
            "pending": total - self.started - self.pending_redrive,
            "running": self.running,
            **{name: self.ended[status] for status, name in _COUNT_OF_STATUS.items()},
            "total": total,
            "resultsWritten": results_written,
            "failuresNotRedrivable": self.not_redrivable,
            "pendingRedrive": self.pending_redrive,
        }
