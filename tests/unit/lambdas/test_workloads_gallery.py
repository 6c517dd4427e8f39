"""The gallery's workloads against answers that were found another way."""

import hashlib
import itertools
import math
import random
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.testing import answer, check_combine
from lambdas.workloads import mandelbrot, n_queens, option_price, s3_objects

# Source: OEIS A000170.
QUEENS = [1, 1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2_680, 14_200, 73_712, 365_596]


@pytest.mark.parametrize("size", range(12))
def test_n_queens_gives_the_known_numbers(size: int) -> None:
    assert answer(n_queens, size=size, batch_size=7) == QUEENS[size]


@pytest.mark.parametrize("depth", [1, 2, 5, 8, 20])
def test_n_queens_does_not_depend_on_where_boards_are_split(depth: int) -> None:
    assert answer(n_queens, size=8, params={"depth": depth}) == 92


@pytest.mark.parametrize("size", [4, 5, 6])
def test_n_queens_counts_what_trying_all_permutations_does(size: int) -> None:
    boards = itertools.permutations(range(size))
    ways = sum(
        len({column + row for row, column in enumerate(board)}) == size
        and len({column - row for row, column in enumerate(board)}) == size
        for board in boards
    )
    assert answer(n_queens, size=size) == ways


@pytest.mark.parametrize(
    ("size", "params", "message"),
    [
        (31, {}, "size must be 0 to 30, got 31"),
        (8, {"depth": 0}, "depth must be an integer of 1 or more, got 0"),
        (8, {"rows": 2}, "may have depth, got rows"),
    ],
)
def test_n_queens_refuses_params(size: int, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        answer(n_queens, size=size, params=params)


def black_scholes(option: option_price.Option) -> float:
    """Price a call on the price of the last day; by integrating over the normal distribution, not by the formula."""
    deviation = option.volatility * math.sqrt(option.maturity_years)
    drift = (option.rate - option.volatility**2 / 2) * option.maturity_years
    x, step = np.linspace(-10, 10, 400_001, retstep=True)
    payoffs = np.maximum(option.spot * np.exp(drift + deviation * x) - option.strike, 0)
    return option.discount * float((payoffs * np.exp(-x * x / 2)).sum() * step) / math.sqrt(2 * math.pi)


@pytest.mark.parametrize("params", [{}, {"strike": 120, "volatility": 0.4}, {"rate": 0, "maturity_years": 0.25}])
def test_geometric_price_of_one_observation_is_that_of_a_plain_call(params: dict[str, Any]) -> None:
    option = option_price.Option(observations=1, **params)
    assert option_price.geometric_price(option) == pytest.approx(black_scholes(option), rel=1e-7)


@pytest.mark.parametrize("params", [{}, {"strike": 110}, {"volatility": 0.5, "observations": 12}])
def test_option_price_simulates_the_geometric_price_that_its_formula_gives(params: dict[str, Any]) -> None:
    result = answer(option_price, size=10, params={"seed": 1, "paths": 5_000, **params})
    geometric = result["geometric"]
    simulated = geometric["simulated"]
    assert abs(simulated["mean"] - geometric["formula"]) < 4 * simulated["standard_error"]
    plain, price = result["without_control_variate"], result["price"]
    assert abs(plain["mean"] - price["mean"]) < 4 * plain["standard_error"]
    assert price["standard_error"] < plain["standard_error"] / 10
    # The arithmetic mean is never below the geometric one.
    assert price["mean"] > geometric["formula"]
    low, high = price["confidence_interval_95"]
    assert high - low == pytest.approx(2 * 1.96 * price["standard_error"], rel=1e-4)


def test_option_price_of_one_observation_needs_no_simulation() -> None:
    result = answer(option_price, size=2, params={"observations": 1, "paths": 1_000})
    assert result["price"]["mean"] == pytest.approx(result["geometric"]["formula"], rel=1e-12)
    assert result["price"]["standard_error"] < 1e-9


def test_option_price_is_the_same_to_the_last_digit_for_every_batch_size() -> None:
    results = [
        answer(option_price, size=7, params={"paths": 100, "seed": 3}, batch_size=batch_size)
        for batch_size in (1, 2, 7)
    ]
    assert results[0] == results[1] == results[2]
    assert results[0] != answer(option_price, size=7, params={"paths": 100, "seed": 4})


def test_option_price_of_no_paths_is_null() -> None:
    assert answer(option_price, size=0) is None


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"spot": 0}, "spot must be a number over 0, got 0"),
        ({"strike": "100"}, "strike must be a number over 0, got '100'"),
        ({"paths": 1.5}, "paths must be an integer over 0, got 1.5"),
        ({"rate": None}, "rate must be a number, got None"),
        ({"paths": 10_000_000}, "take more items"),
        ({"Strike": 1}, "unexpected keyword argument 'Strike'"),
    ],
)
def test_option_price_refuses_params(params: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        answer(option_price, size=1, params=params)


def read_png(data: bytes) -> np.ndarray:
    """Return the palette indexes of a picture, read by the specification's words: chunks, checksums, filters."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, position = [], 8
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind, body = data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        assert struct.unpack_from(">I", data, position + 8 + length) == (zlib.crc32(kind + body),)
        chunks.append((kind, body))
        position += 12 + length
    assert [kind for kind, _ in itertools.groupby(kind for kind, _ in chunks)] == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    width, height, *rest = struct.unpack(">2I5B", chunks[0][1])
    assert rest == [8, 3, 0, 0, 0]
    assert len(chunks[1][1]) == 768
    pixels = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    lines = np.frombuffer(pixels, np.uint8).reshape(height, width + 1)
    assert not lines[:, 0].any()
    return lines[:, 1:]


def steps_of(c: complex, iterations: int) -> int:
    """Iterate one point, in plain Python."""
    x = y = 0.0
    for step in range(iterations):
        if x * x + y * y > 4:
            return step
        x, y = x * x - y * y + c.real, 2 * (x * y) + c.imag
    return iterations


@pytest.mark.parametrize(
    "params", [{}, {"center": [-0.7436, 0.1318], "width": 0.01, "iterations": 700}, {"iterations": 1}, {"width": 8}]
)
def test_mandelbrot_has_the_pixels_that_iterating_each_point_gives(params: dict[str, Any]) -> None:
    size, view = 40, mandelbrot.View(**params)
    picture = read_png(answer(mandelbrot, size=size, params={**params, "tile": 16}))
    assert picture.shape == (size, size)
    for row, column in itertools.product(range(size), repeat=2):
        x = view.center[0] + (column + 0.5 - size / 2) * (view.width / size)
        y = view.center[1] - (row + 0.5 - size / 2) * (view.width / size)
        steps = steps_of(complex(x, y), view.iterations)
        assert picture[row, column] == (255 if steps == view.iterations else steps % 255), (row, column)


def test_mandelbrot_has_the_area_that_others_have_found() -> None:
    picture = read_png(answer(mandelbrot, size=700, params={"iterations": 2_000}))
    # 1.5065918: T. Forstemann, "Numerical estimation of the area of the Mandelbrot set" (2012).
    assert (picture == 255).mean() * 2.7**2 == pytest.approx(1.5066, rel=0.005)


@given(st.integers(1, 40), st.integers(1, 45), st.integers(1, 9))
def test_mandelbrot_is_the_same_picture_for_every_tile(size: int, tile: int, batch_size: int) -> None:
    picture = answer(mandelbrot, size=size, params={"tile": tile, "iterations": 20}, batch_size=batch_size)
    assert (read_png(picture) == read_png(answer(mandelbrot, size=size, params={"iterations": 20}))).all()


def test_mandelbrot_never_escapes_where_the_equations_say_so() -> None:
    generator = np.random.default_rng(1)
    real, imaginary = generator.uniform(-1.3, 0.5, 20_000), generator.uniform(-0.7, 0.7, 20_000)
    inside = mandelbrot.never_escapes(real, imaginary)
    assert 0.3 < inside.mean() < 0.9
    z = c = real + 1j * imaginary
    for _ in range(300):
        z = np.where(inside, z * z + c, 0)
    assert (np.abs(z) <= 2).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"iterations": 0}, "iterations must be 1 to 1000000, got 0"),
        ({"tile": 5000}, "tile must be 1 to 4096 pixels, got 5000"),
        ({"width": "3"}, "width must be a number over 0, got '3'"),
        ({"center": [1]}, r"center must be two numbers, got \[1\]"),
        ({"zoom": 2}, "unexpected keyword argument 'zoom'"),
    ],
)
def test_mandelbrot_refuses_params(params: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        answer(mandelbrot, size=4, params=params)


def test_mandelbrot_refuses_a_picture_with_holes() -> None:
    tiles = [mandelbrot.compute(item, {"tile": 2}) for item in mandelbrot.items(4, {"tile": 2})]
    with pytest.raises(ValueError, match="tile 2 is missing: a picture needs all of them"):
        list(mandelbrot.finish(iter([*tiles[:2], None, tiles[3]])))
    with pytest.raises(ValueError, match="tile 1 begins at pixel 0 of its row, expected 2"):
        list(mandelbrot.finish(iter([tiles[0], tiles[0]])))
    with pytest.raises(ValueError, match="got no tile"):
        list(mandelbrot.finish(iter([])))


CONTENTS = [b"", b"a", b"a\n", b"\n\n", b"no end\nof line", bytes(range(256)) * 40, b"a"]


@pytest.mark.parametrize("batch_size", [1, 3, 10])
def test_s3_objects_counts_what_is_there(s3: Any, pipeline: Any, batch_size: int) -> None:
    prefix = f"data-{batch_size}"
    for number, content in enumerate(CONTENTS):
        s3.put_object(Bucket="source-bucket", Key=f"{prefix}/{number}.txt", Body=content)
    run = pipeline(source=f"s3://source-bucket/{prefix}/", workload="s3_objects", batch_size=batch_size)
    total = sum(int(hashlib.sha256(content).hexdigest(), 16) for content in CONTENTS) % 2**256
    lines = sum(len(content.splitlines()) for content in CONTENTS[:-2]) + 1
    lines += CONTENTS[5].count(b"\n") + 1
    size = sum(map(len, CONTENTS))
    expected = f'{{"objects":7,"bytes":{size},"lines":{lines},"checksum":"{total:064x}"}}'
    assert run.run()["result"] == expected


def test_s3_objects_names_an_object_that_changed(s3: Any, pipeline: Any) -> None:
    s3.put_object(Bucket="source-bucket", Key="changing/a", Body=b"1234")
    run = pipeline(source="s3://source-bucket/changing/", workload="s3_objects")
    run.start()
    s3.put_object(Bucket="source-bucket", Key="changing/a", Body=b"12345")
    [child] = run.map()
    assert child.error == "ItemFailedError"
    assert "s3://source-bucket/changing/a has 5 bytes, it had 4 when the run began" in str(child.output)


def test_s3_objects_of_nothing_is_nothing() -> None:
    assert s3_objects.finish(None) == {"objects": 0, "bytes": 0, "lines": 0, "checksum": "0" * 64}


def test_gallery_combines_in_any_order() -> None:
    generator = random.Random(1)
    results = [
        {
            "objects": 1,
            "bytes": generator.randrange(10**9),
            "lines": 1,
            "checksum": f"{generator.getrandbits(256):064x}",
        }
        for _ in range(5)
    ]
    check_combine(s3_objects.combine, results)
    check_combine(n_queens.combine, [4, 0, 7])
    blocks = [option_price.compute(0, {"paths": 10}, seed) for seed in range(4)]
    check_combine(option_price.combine, blocks, relative_tolerance=0)
