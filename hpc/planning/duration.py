"""Duration of a Distributed Map or an array job by the quotas, without simulating each child."""

import math

BISECTIONS = 60


def map_seconds(
    *,
    batch_count: int,
    batch_seconds: float,
    longest_batch_seconds: float,
    starts_per_second: float,
    concurrency: int,
    ramp_environments: int,
    ramp_seconds: float,
) -> float:
    """Return when the last child has ended, if children start as early as the quotas let them.

    Exact for equal children and up to ``ramp_environments`` of them at a time, or starts that the ramp never delays;
    else the larger of two lower bounds that are close to each other.  The slowest batch is taken to start last.

    Parameters
    ----------
    batch_seconds, longest_batch_seconds
        Time of an average child, and of the slowest one.
    concurrency
        Children at a time: the smaller of MaxConcurrency and the account's Lambda concurrency.
    ramp_environments, ramp_seconds
        A function gets so many more environments in each such time.
    """
    last = batch_count - 1
    starts = [last_start(last, batch_seconds, starts_per_second, concurrency)]
    if concurrency > ramp_environments and starts_per_second * ramp_seconds > ramp_environments:
        starts.append(_last_start_on_ramp(batch_count, batch_seconds, concurrency, ramp_environments, ramp_seconds))
    return max(starts) + longest_batch_seconds


def last_start(last: int, batch_seconds: float, starts_per_second: float, concurrency: int) -> float:
    """Return when child number ``last``, from 0, starts.

    A child starts a step after the one before it, and after child ``number - concurrency`` has ended:
    ``s(k) = max(s(k - 1) + step, s(k - concurrency) + batch_seconds)``.  Of all ways back to child 0, the longest one
    makes no use of the second rule, or as much as it can.
    """
    step = 1 / starts_per_second
    waves, rest = divmod(last, concurrency)
    return max(last * step, rest * step + waves * batch_seconds)


def _last_start_on_ramp(
    batch_count: int, batch_seconds: float, concurrency: int, ramp_environments: int, ramp_seconds: float
) -> float:
    """Return when enough environments have become free often enough, each every ``batch_seconds``."""
    groups = [
        (number * ramp_seconds, min(ramp_environments, concurrency - number * ramp_environments))
        for number in range(math.ceil(concurrency / ramp_environments))
    ]

    def started(until: float) -> float:
        return sum(size * ((until - begin) // batch_seconds + 1) for begin, size in groups if begin <= until)

    if started(0) >= batch_count:
        return 0.0
    low, high = 0.0, groups[-1][0] + batch_seconds * math.ceil(batch_count / concurrency)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if started(middle) >= batch_count else (middle, high)
    return high


def array_seconds(*, job_count: int, job_seconds: float, slots: int) -> float:
    """Return when the last of equal jobs has ended, ``slots`` at a time."""
    return math.ceil(job_count / slots) * job_seconds
