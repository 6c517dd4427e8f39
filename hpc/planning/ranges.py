"""A figure that is not known exactly: low, expected, high."""

from dataclasses import dataclass
from typing import Literal

Case = Literal["low", "expected", "high"]
CASES: tuple[Case, ...] = ("low", "expected", "high")


@dataclass(frozen=True)
class Range:
    """``low <= expected <= high``; what is low is what costs or takes least."""

    low: float
    expected: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.expected <= self.high:
            raise ValueError(f"a range must rise, got {self.low:g}, {self.expected:g}, {self.high:g}")

    @classmethod
    def exactly(cls, value: float) -> "Range":
        return cls(value, value, value)

    def at(self, case: Case) -> float:
        value: float = getattr(self, case)
        return value

    def scaled(self, factor: "Range") -> "Range":
        return Range(self.low * factor.low, self.expected * factor.expected, self.high * factor.high)
