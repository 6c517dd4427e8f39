"""The answer of pi.py, computed in the test's own process with the checks of the pipeline."""

import math

import pi

from lambdas.testing import answer, check_combine


def test_answer_is_pi():
    assert abs(answer(pi, size=20, params={"darts": 1000}) - math.pi) < 0.1


def test_answer_does_not_depend_on_the_batch_size():
    params = {"darts": 10}
    assert answer(pi, size=10, batch_size=3, params=params) == answer(pi, size=10, batch_size=1, params=params)


def test_results_combine_in_any_order():
    check_combine(pi.combine, [pi.compute(item, {"darts": 10}, seed=item) for item in range(5)])
