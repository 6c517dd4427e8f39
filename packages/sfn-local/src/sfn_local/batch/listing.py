"""ListJobs: filters and pages.

Source: AWS Batch API reference, ListJobs.

**Differs from AWS:** ``SHARE_IDENTIFIER`` is refused as a filter: there are no fair shares here.
"""

import base64
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sfn_local.batch.jobs import AnyJob, ArrayJob
from sfn_local.batch.resources import Resources, client_error
from sfn_local.batch.store import JobStore

_DEFAULT_RESULTS = 100
_DEFAULT_STATUS = "RUNNING"
_SOURCES = ("jobQueue", "arrayJobId", "multiNodeJobId")

_FILTERS: dict[str, Callable[[AnyJob, str], bool]] = {
    "JOB_NAME": lambda job, value: _matches(job.request.name.lower(), value.lower()),
    "JOB_DEFINITION": lambda job, value: _matches(
        f"{job.request.definition.name}:{job.request.definition.revision}", value
    ),
    "BEFORE_CREATED_AT": lambda job, value: job.created_at < int(value),
    "AFTER_CREATED_AT": lambda job, value: job.created_at > int(value),
}


def list_jobs(params: dict[str, Any], resources: Resources, store: JobStore) -> tuple[list[AnyJob], str | None]:
    """Return one page and the token of the next; raises :class:`ServiceError`."""
    given = [source for source in _SOURCES if source in params]
    if len(given) != 1 or given[0] == "multiNodeJobId":
        raise client_error(f"ListJobs takes exactly one of jobQueue and arrayJobId, got {', '.join(given) or 'none'}")
    size = params.get("maxResults", _DEFAULT_RESULTS)
    if not 1 <= size <= _DEFAULT_RESULTS:
        raise client_error(f"maxResults must be 1 to {_DEFAULT_RESULTS}, got {size}")
    jobs: Iterable[AnyJob]
    if "arrayJobId" in params:
        jobs = _wanted(_children(store, params["arrayJobId"]), params, None)
    else:
        jobs = _wanted(store.newest_first(resources.queue(params["jobQueue"]).arn), params, _filter(params))
    after = _position(params.get("nextToken"))
    page = [job for job in jobs if after is None or place(job) > after][: size + 1]
    if len(page) <= size:
        return page, None
    return page[:-1], base64.urlsafe_b64encode(str(place(page[-2])).encode()).decode()


def place(job: AnyJob) -> int:
    """Return the sort key of a job in a list: children by index, others the newest first."""
    index = getattr(job, "index", None)
    return index if index is not None else -job.number


def _children(store: JobStore, job_id: str) -> list[AnyJob]:
    job = store.find(job_id)
    if not isinstance(job, ArrayJob):
        raise client_error(f"{job_id} is no array job")
    return list(job.children)


def _filter(params: dict[str, Any]) -> Callable[[AnyJob], bool] | None:
    filters = params.get("filters", [])
    if not filters:
        return None
    name, values = filters[0].get("name"), filters[0].get("values", [])
    is_time = str(name).endswith("CREATED_AT")
    if len(filters) > 1 or name not in _FILTERS or not values or (is_time and not values[0].isdecimal()):
        raise client_error(f"ListJobs takes one filter with values, one of {', '.join(_FILTERS)}; got {filters}")
    return lambda job: any(_FILTERS[name](job, value) for value in values)


def _wanted(
    jobs: Iterable[AnyJob], params: dict[str, Any], is_wanted: Callable[[AnyJob], bool] | None
) -> Iterator[AnyJob]:
    """Yield the jobs that pass the filter, or have the status where there is none."""
    status = params.get("jobStatus", _DEFAULT_STATUS)
    for job in jobs:
        if is_wanted(job) if is_wanted else job.status == status:
            yield job


def _matches(text: str, pattern: str) -> bool:
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


def _position(token: str | None) -> int | None:
    if token is None:
        return None
    try:
        return int(base64.urlsafe_b64decode(token))
    except ValueError:
        raise client_error("nextToken is not one that ListJobs gave") from None
