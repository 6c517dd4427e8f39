"""Picture of the Mandelbrot set: ``size`` x ``size`` pixels computed in square tiles, stitched to a PNG as a stream.

Example: ``hpc run --size 1024 --workload mandelbrot --params '{"center": [-0.7436, 0.1318], "width": 0.006}'``
"""

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]

# In front of a tile's pixels: its left and top, its width and height, and the whole picture's size.
HEADER = struct.Struct(">5I")
# One byte a pixel: how many steps it took to escape, modulo 255; 255 for a point that has not.
COLORS = 255
INSIDE = 255
# Points that have escaped are sorted out this often, because that costs as much as a step or two.
STEPS_AT_ONCE = 8
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True)
class View:
    """Fields of ``params``; lengths are in the complex plane."""

    center: tuple[float, float] = (-0.75, 0.0)
    width: float = 2.7
    iterations: int = 200
    tile: int = 512

    def __post_init__(self) -> None:
        if not (isinstance(self.iterations, int) and 1 <= self.iterations <= 1_000_000):
            raise ValueError(f"iterations must be 1 to 1000000, got {self.iterations!r}")
        if not (isinstance(self.tile, int) and 1 <= self.tile <= 4096):
            raise ValueError(f"tile must be 1 to 4096 pixels, got {self.tile!r}")
        if not (isinstance(self.width, int | float) and self.width > 0):
            raise ValueError(f"width must be a number over 0, got {self.width!r}")
        if not (
            isinstance(self.center, list | tuple)
            and len(self.center) == 2
            and all(isinstance(number, int | float) for number in self.center)
        ):
            raise ValueError(f"center must be two numbers, got {self.center!r}")


def items(size: int, params: dict[str, Any]) -> Iterator[dict[str, int]]:
    """Yield the tiles row by row, from the upper left."""
    step = View(**params).tile
    for top in range(0, size, step):
        for left in range(0, size, step):
            width, height = min(step, size - left), min(step, size - top)
            yield {"left": left, "top": top, "width": width, "height": height, "size": size}


def compute(item: dict[str, int], params: dict[str, Any]) -> bytes:
    """Return a tile: its header and one byte a pixel, row by row."""
    view, size = View(**params), item["size"]
    pixel = view.width / size
    columns = view.center[0] + (np.arange(item["left"], item["left"] + item["width"]) + 0.5 - size / 2) * pixel
    rows = view.center[1] - (np.arange(item["top"], item["top"] + item["height"]) + 0.5 - size / 2) * pixel
    real, imaginary = (axis.ravel() for axis in np.meshgrid(columns, rows))
    steps = escape_steps(real, imaginary, view.iterations)
    pixels = np.where(steps < view.iterations, steps % COLORS, INSIDE).astype(np.uint8)
    return HEADER.pack(item["left"], item["top"], item["width"], item["height"], size) + pixels.tobytes()


def escape_steps(real: Reals, imaginary: Reals, iterations: int) -> NDArray[np.uint32]:
    """Return for each point c after how many steps of z -> z**2 + c, from 0, |z| > 2; else ``iterations``."""
    steps = np.full(real.size, iterations, np.uint32)
    index = np.flatnonzero(~never_escapes(real, imaginary))
    c_real, c_imaginary = real[index], imaginary[index]
    z_real, z_imaginary = np.zeros_like(c_real), np.zeros_like(c_real)
    # Room for intermediate results: new arrays of this size in each step would cost a third more.
    room = np.empty((2, index.size))
    done = 0
    # Who has escaped goes on until the next sorting, if need be to infinity and then to NaN, never back.
    with np.errstate(over="ignore", invalid="ignore"):
        while index.size and done < iterations:
            count = min(STEPS_AT_ONCE, iterations - done)
            kept = np.zeros(index.size, np.uint8)
            imaginary_squared, absolute_squared = room[:, : index.size]
            for _ in range(count):
                np.multiply(z_imaginary, z_imaginary, out=imaginary_squared)
                z_imaginary *= z_real
                z_imaginary += z_imaginary
                z_imaginary += c_imaginary
                z_real *= z_real
                np.add(z_real, imaginary_squared, out=absolute_squared)
                kept += absolute_squared <= 4
                z_real -= imaginary_squared
                z_real += c_real
            escaped = kept < count
            steps[index[escaped]] = np.uint32(done) + kept[escaped]
            index = index[~escaped]
            c_real, c_imaginary = c_real[~escaped], c_imaginary[~escaped]
            z_real, z_imaginary = z_real[~escaped], z_imaginary[~escaped]
            done += count
    return steps


def never_escapes(real: Reals, imaginary: Reals) -> NDArray[np.bool_]:
    """Whether points are in the main cardioid or the disc left of it, by their equations."""
    squares = imaginary * imaginary
    q = (real - 0.25) ** 2 + squares
    return (q * (q + real - 0.25) <= 0.25 * squares) | ((real + 1) ** 2 + squares <= 0.0625)


def finish(results: Iterator[bytes | None]) -> Iterator[bytes]:
    """Yield the PNG, a row of tiles in memory at a time."""
    compressor = zlib.compressobj()
    size = None
    for row in tile_rows(results):
        height, width = row.shape
        if size is None:
            size = width
            yield PNG_SIGNATURE + chunk(b"IHDR", struct.pack(">2I5B", size, size, 8, 3, 0, 0, 0))
            yield chunk(b"PLTE", palette())
        # Each line begins with the number of its filter: none.
        lines = np.hstack([np.zeros((height, 1), np.uint8), row])
        yield chunk(b"IDAT", compressor.compress(lines.tobytes()))
    if size is None:
        raise ValueError("a picture has 1 x 1 pixels or more, got no tile")
    yield chunk(b"IDAT", compressor.flush()) + chunk(b"IEND", b"")


def tile_rows(results: Iterator[bytes | None]) -> Iterator[NDArray[np.uint8]]:
    """Yield rows of tiles put side by side, as arrays of pixels."""
    row: list[NDArray[np.uint8]] = []
    filled = 0
    for number, tile in enumerate(results):
        if tile is None:
            raise ValueError(f"tile {number} is missing: a picture needs all of them")
        left, _, width, height, size = HEADER.unpack_from(tile)
        if left != filled:
            raise ValueError(f"tile {number} begins at pixel {left} of its row, expected {filled}")
        row.append(np.frombuffer(tile, np.uint8, offset=HEADER.size).reshape(height, width))
        filled += width
        if filled == size:
            yield np.hstack(row)
            row, filled = [], 0


def chunk(kind: bytes, data: bytes) -> bytes:
    """Source: PNG specification, "Chunk layout"."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def palette() -> bytes:
    """Return 256 colours: a cycle through blue, white and gold, then black for what never escapes."""
    cycle = (
        round(127.5 * (1 - math.cos(2 * math.pi * (place / COLORS + shift))))
        for place in range(COLORS)
        for shift in (0.0, 0.05, 0.15)
    )
    return bytes([*cycle, 0, 0, 0])
