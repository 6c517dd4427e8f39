"""Numbers of pairs: run it with ``hpc run --assembly cdk.out --workload triangle --size 100``."""


def compute(item: int) -> int:
    return item


def combine(a: int, b: int) -> int:
    return a + b
