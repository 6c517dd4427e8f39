"""Expected numbers are what a Java virtual machine gives for ``new java.util.Random(seed)``."""

from collections import Counter

from sfn_local.language.java_random import JavaRandom


def test_next_double_is_that_of_java():
    assert JavaRandom(42).next_double() == 0.7275636800328681
    assert JavaRandom(0).next_double() == 0.730967787376657


def test_next_long_is_that_of_java():
    assert JavaRandom(42).next_long() - 2**64 == -5025562857975149833
    assert JavaRandom(0).next_long() - 2**64 == -4962768465676381896


def test_between_gives_every_number_of_the_range_about_equally_often():
    generator = JavaRandom(1)
    counts = Counter(generator.between(-3, 4) for _ in range(7_000))
    assert set(counts) == set(range(-3, 4))
    assert min(counts.values()) > 850
    assert {JavaRandom(seed).between(0, 8) for seed in range(1_000)} == set(range(8))


def test_without_seed_numbers_differ():
    assert JavaRandom(None).next_long() != JavaRandom(None).next_long()
