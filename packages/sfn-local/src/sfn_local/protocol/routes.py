"""Finds the operation of a REST request by method, path, query and headers, as the service model defines it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, unquote_plus

from botocore.model import OperationModel, ServiceModel

from sfn_local.protocol.messages import HttpRequest

_LABEL = re.compile(r"\{(\w+)(\+?)\}")

# Other SDKs name the operation in the query string as well; a presigned URL has its signature there.
_IGNORED_QUERY = {
    "x-id",
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
}


@dataclass(frozen=True)
class Route:
    """One operation's place: a path pattern, and what must be there to tell it from others at the same path."""

    operation: OperationModel
    method: str
    path: re.Pattern[str]
    literals: dict[str, str]
    required_query: frozenset[str]
    required_headers: frozenset[str]

    @property
    def precision(self) -> int:
        return len(self.literals) + len(self.required_query) + len(self.required_headers)


@dataclass(frozen=True)
class Match:
    """An operation with what the path and the query string say, decoded; literal query names are left out."""

    operation: OperationModel
    labels: dict[str, str]
    query: dict[str, list[str]]


# By method, the most precise first.
Routes = dict[str, list[Route]]


def build_routes(model: ServiceModel) -> Routes:
    """Form the routes of all operations."""
    routes: Routes = {}
    for name in model.operation_names:
        route = _build_route(model.operation_model(name))
        routes.setdefault(route.method, []).append(route)
    for candidates in routes.values():
        candidates.sort(key=lambda route: -route.precision)
    return routes


def _build_route(operation: OperationModel) -> Route:
    path, _, query = operation.http["requestUri"].partition("?")
    return Route(
        operation=operation,
        method=operation.http["method"],
        path=_path_pattern(path),
        literals=dict(_split_pair(pair) for pair in query.split("&") if pair),
        required_query=_required_names(operation, "querystring"),
        required_headers=_required_names(operation, "header"),
    )


def _path_pattern(path: str) -> re.Pattern[str]:
    # A greedy label holds slashes; the slash after a bucket's name is optional.
    pattern = _LABEL.sub(lambda label: f"(?P<{label[1]}>{'.+' if label[2] else '[^/]+'})", path)
    return re.compile(pattern if path.endswith(("/", "+}")) else f"{pattern}/?", re.DOTALL)


def _required_names(operation: OperationModel, location: str) -> frozenset[str]:
    shape = operation.input_shape
    if shape is None:
        return frozenset()
    return frozenset(
        shape.members[name].serialization["name"].lower() if location == "header" else member.serialization["name"]
        for name, member in shape.members.items()
        if name in shape.required_members and member.serialization.get("location") == location
    )


def _split_pair(pair: str) -> tuple[str, str]:
    name, _, value = pair.partition("=")
    return name, value


def find_route(routes: Routes, request: HttpRequest) -> Match | None:
    """Find the operation that ``request`` means.

    Raises
    ------
    ValueError
        If the path or the query string is not percent-encoded UTF-8.
    """
    query = _parse_query(request.query)
    for route in routes.get(request.method, []):
        if _has_required(route, query, request):
            found = route.path.fullmatch(request.path)
            if found:
                labels = {name: unquote(text, errors="strict") for name, text in found.groupdict().items()}
                rest = {name: query[name] for name in query if name not in route.literals}
                return Match(route.operation, labels, rest)
    return None


def _has_required(route: Route, query: dict[str, list[str]], request: HttpRequest) -> bool:
    return (
        all(query.get(name) == [value] for name, value in route.literals.items())
        and route.required_query <= query.keys()
        and route.required_headers <= request.headers.keys()
    )


def _parse_query(text: str) -> dict[str, list[str]]:
    query: dict[str, list[str]] = {}
    for pair in text.split("&"):
        if pair:
            name, value = (unquote_plus(part, errors="strict") for part in _split_pair(pair))
            if name not in _IGNORED_QUERY:
                query.setdefault(name, []).append(value)
    return query
