"""A tide of two waves."""

import numpy as np


def height(hours):
    """Return the water level in metres at hours since the new year: the moon's wave and the sun's."""
    return 1.2 * np.cos(2 * np.pi * hours / 12.42) + 0.5 * np.cos(2 * np.pi * hours / 12.0)
