"""Java's random numbers: with the same seed the service's functions give the same ones.

Source: the documentation of ``java.util.Random``, which specifies the generator.
"""

import secrets

_MULTIPLIER = 0x5DEECE66D
_MASK = (1 << 48) - 1


class JavaRandom:
    """A ``java.util.Random``.

    Parameters
    ----------
    seed : int or None
        None: one that can't be guessed.
    """

    def __init__(self, seed: int | None) -> None:
        self._state = ((secrets.randbits(48) if seed is None else seed) ^ _MULTIPLIER) & _MASK

    def _next(self, bits: int) -> int:
        """The next ``bits`` bits, unsigned."""
        self._state = (self._state * _MULTIPLIER + 0xB) & _MASK
        return self._state >> (48 - bits)

    def next_double(self) -> float:
        """A number from 0 (included) to 1 (excluded)."""
        return ((self._next(26) << 27) + self._next(27)) / (1 << 53)

    def next_long(self) -> int:
        """64 random bits, unsigned."""
        high, low = self._next(32), self._next(32)
        return ((high << 32) + (low - (1 << 32) if low >= 1 << 31 else low)) % (1 << 64)

    def between(self, low: int, high: int) -> int:
        """An integer from ``low`` (included) to ``high`` (excluded); the range fits in a Java long."""
        count = high - low
        if count & (count - 1) == 0:
            return low + (self.next_long() & (count - 1))
        while True:
            bits = self.next_long() >> 1
            number = bits % count
            if bits + (count - 1) - number < 1 << 63:  # otherwise the last, shorter round of numbers would favour some
                return low + number
