"""Price of an arithmetic Asian call option: ``size`` independent blocks of simulated paths, with a control variate.

The payoff is that of a call on the mean price of the days on which it is observed. For the arithmetic mean there is no
formula; for the geometric one there is, and the two hardly differ: so the simulated difference is added to the formula.
Source: A. G. Z. Kemna, A. C. F. Vorst, "A pricing method for options based on average asset values", J. Banking and
Finance 14 (1990).

Example: ``hpc run --size 100 --workload option_price --params '{"strike": 110, "seed": 1}'``
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

# Sums travel as whole multiples of this: integers add up to the same in any order, floats do not.
UNIT = Fraction(1, 2**60)
# Half the width of a 95 % confidence interval, in standard errors.
CONFIDENCE_95 = 1.959964
MAX_DRAWS = 50_000_000


@dataclass(frozen=True, kw_only=True)
class Option:
    """Fields of ``params``; rate and volatility are per year."""

    spot: float = 100.0
    strike: float = 100.0
    rate: float = 0.05
    volatility: float = 0.2
    maturity_years: float = 1.0
    observations: int = 50
    paths: int = 10_000  # of one item
    seed: Any = None  # another one gives other paths

    def __post_init__(self) -> None:
        for name in ("spot", "strike", "volatility", "maturity_years"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and value > 0):
                raise ValueError(f"{name} must be a number over 0, got {value!r}")
        for name in ("observations", "paths"):
            value = getattr(self, name)
            if not (isinstance(value, int) and value > 0):
                raise ValueError(f"{name} must be an integer over 0, got {value!r}")
        if not isinstance(self.rate, int | float):
            raise ValueError(f"rate must be a number, got {self.rate!r}")  # noqa: TRY004 - as of the other params
        if self.observations * self.paths > MAX_DRAWS:
            raise ValueError(
                f"observations times paths must be up to {MAX_DRAWS}, got {self.observations} times {self.paths}: "
                "take more items (size) of fewer paths"
            )

    @property
    def discount(self) -> float:
        return math.exp(-self.rate * self.maturity_years)


def compute(_item: int, params: dict[str, Any], seed: int) -> list[int]:
    """Return of one block of paths their number, and the sums of a, g, a * a, a * g and g * g in units.

    a and g are the discounted payoffs on the arithmetic and on the geometric mean; blocks differ by their seed only.
    """
    option = Option(**params)
    step_years = option.maturity_years / option.observations
    # PCG64 and its normal numbers are the same in every numpy since 1.17 on every processor, but for the last digit.
    normal = np.random.Generator(np.random.PCG64(seed)).standard_normal((option.paths, option.observations))
    normal *= option.volatility * math.sqrt(step_years)
    normal += (option.rate - option.volatility**2 / 2) * step_years
    logarithms = np.cumsum(normal, axis=1)
    logarithms += math.log(option.spot)
    geometric = payoff(np.exp(logarithms.mean(axis=1)), option)
    arithmetic = payoff(np.exp(logarithms).mean(axis=1), option)
    sums = (arithmetic, geometric, arithmetic * arithmetic, arithmetic * geometric, geometric * geometric)
    return [option.paths, *(in_units(float(values.sum())) for values in sums)]


def payoff(means: Any, option: Option) -> Any:
    return option.discount * np.maximum(means - option.strike, 0.0)


def in_units(value: float) -> int:
    return round(Fraction(value) / UNIT)


def combine(a: list[int], b: list[int]) -> list[int]:
    return [left + right for left, right in zip(a, b, strict=True)]


def finish(result: list[int] | None, params: dict[str, Any]) -> dict[str, Any] | None:
    """Return the price with its 95 % confidence interval, and what it would be without the control variate."""
    if result is None:
        return None
    option = Option(**params)
    paths, *sums = result
    a, g, aa, ag, gg = (Fraction(value) * UNIT / paths for value in sums)
    variance_a, covariance, variance_g = aa - a * a, ag - a * g, gg - g * g
    # This weight of the control variate minimizes the remaining variance.
    weight = covariance / variance_g if variance_g else Fraction(0)
    remaining = variance_a - weight * covariance
    formula = geometric_price(option)
    return {
        "price": interval(float(a + weight * (Fraction(formula) - g)), remaining, paths),
        "without_control_variate": interval(float(a), variance_a, paths),
        "geometric": {"formula": formula, "simulated": interval(float(g), variance_g, paths)},
        "paths": paths,
    }


def interval(mean: float, variance: Fraction, paths: int) -> dict[str, Any]:
    """Return a mean with its standard error and 95 % confidence interval."""
    error = math.sqrt(max(variance, Fraction(0)) / max(paths - 1, 1))
    return {
        "mean": mean,
        "standard_error": error,
        "confidence_interval_95": [mean - CONFIDENCE_95 * error, mean + CONFIDENCE_95 * error],
    }


def geometric_price(option: Option) -> float:
    """Return the price of the call on the geometric mean, which is log-normal."""
    count = option.observations
    drift = option.rate - option.volatility**2 / 2
    mean = math.log(option.spot) + drift * option.maturity_years * (count + 1) / (2 * count)
    variance = option.volatility**2 * option.maturity_years * (count + 1) * (2 * count + 1) / (6 * count * count)
    deviation = math.sqrt(variance)
    d2 = (mean - math.log(option.strike)) / deviation
    forward = math.exp(mean + variance / 2)
    return option.discount * (forward * normal_share(d2 + deviation) - option.strike * normal_share(d2))


def normal_share(value: float) -> float:
    """Return how much of the standard normal distribution is below a value."""
    return math.erfc(-value / math.sqrt(2)) / 2
