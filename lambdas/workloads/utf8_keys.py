"""Number of valid UTF-8 strings of exactly ``index`` bytes, and by Sum of all strings of fewer than ``size`` bytes.

The question is how many object keys S3 can tell apart: a key is UTF-8 text of at most 1,024 bytes.
"""

from collections.abc import Iterable, Iterator

# (bytes of one character, how many such characters).
# Source: kochie/hpc-step-function, the compute-map function, the four factors of its closed form; the
# recurrence f(n) = 128 f(n-1) + 1863 f(n-2) + 42451 f(n-3) + 78341 f(n-4) is the same count by the last character.
WEIGHTS = (128, 1_863, 42_451, 78_341)
ORDER = len(WEIGHTS)
# f(-3) .. f(0): no string has a negative length, one has none.
FIRST_VALUES = (0, 0, 0, 1)


def compute_batch(items: Iterable[int]) -> Iterator[int]:
    """Yield f(item) for every item; an item that follows its predecessor costs four small multiplications.

    Raises
    ------
    ValueError
        If an item is not an integer of 0 or more.
    """
    window: list[int] = []
    previous = None
    for item in items:
        if not isinstance(item, int) or isinstance(item, bool) or item < 0:
            raise ValueError(f"an item of utf8_keys must be an integer of 0 or more, got {item!r}")
        window = next_window(window) if previous is not None and item == previous + 1 else window_at(item)
        previous = item
        yield window[-1]


def combine(a: int, b: int) -> int:
    return a + b


def finish(result: int | None) -> int:
    return 0 if result is None else result


def next_window(window: list[int]) -> list[int]:
    """Return f(n-2) .. f(n+1) of f(n-3) .. f(n)."""
    oldest, older, old, newest = window
    return [
        older,
        old,
        newest,
        WEIGHTS[0] * newest + WEIGHTS[1] * old + WEIGHTS[2] * older + WEIGHTS[3] * oldest,
    ]


def window_at(index: int) -> list[int]:
    """Return f(index-3) .. f(index) in O(log index) multiplications.

    Notes
    -----
    x**index modulo the characteristic polynomial x**4 - 128 x**3 - 1863 x**2 - 42451 x - 78341 has four coefficients c;
    every sequence of this recurrence obeys s(index + t) = c0 s(t) + c1 s(t+1) + c2 s(t+2) + c3 s(t+3).
    Source: C. M. Fiduccia, "An efficient formula for linear recurrences", SIAM J. Comput. 14 (1985).
    """
    coefficients = power_of_x(index)
    values = list(FIRST_VALUES)
    window = list(FIRST_VALUES)
    for _ in range(ORDER - 1):
        window = next_window(window)
        values.append(window[-1])
    return [
        sum(coefficient * values[start + term] for term, coefficient in enumerate(coefficients))
        for start in range(ORDER)
    ]


def power_of_x(exponent: int) -> list[int]:
    """Return the coefficients of x**exponent modulo the characteristic polynomial, constant first."""
    power = [1, 0, 0, 0]
    for bit in bin(exponent)[2:]:
        power = reduced(squared(power))
        if bit == "1":
            power = reduced([0, *power])
    return power


def squared(polynomial: list[int]) -> list[int]:
    product = [0] * (2 * len(polynomial) - 1)
    for i, left in enumerate(polynomial):
        product[2 * i] += left * left
        for j in range(i + 1, len(polynomial)):
            product[i + j] += 2 * left * polynomial[j]
    return product


def reduced(polynomial: list[int]) -> list[int]:
    """Replace x**4 and higher powers by the recurrence."""
    remainder = list(polynomial)
    while len(remainder) > ORDER:
        leading = remainder.pop()
        for term, weight in enumerate(WEIGHTS, 1):
            remainder[-term] += weight * leading
    return remainder
