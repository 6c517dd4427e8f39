"""The guard of hpc ui's page against what a browser, or another user of the machine, may send to loopback."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from hpc.ui.app import Page, make_app
from hpc.ui.changes import Changes
from hpc.ui.guard import POLICY, Guard

PORT = 8123
HOST = f"127.0.0.1:{PORT}"
OWN = {"host": HOST}


class NoDoor:
    """A way to a stack that nobody may go."""

    is_local = True

    def open(self) -> Any:
        raise AssertionError("the stack was asked")

    def stamp(self) -> None:
        return None


class NoChanges(Changes):
    def start(self, verb: str, arn: str) -> bool:
        raise AssertionError(f"{verb} {arn} was started")


def guarded(*, allow_changes: bool = False) -> Guard:
    page = Page(NoDoor(), NoChanges([]) if allow_changes else None, place="this machine")  # type: ignore[arg-type]  # a stand-in
    return Guard(make_app(page), port=PORT, allow_changes=allow_changes)


Answer = tuple[int, dict[str, str], bytes]


def request(
    guard: Guard, path: str, headers: Mapping[str, str], *, method: str = "GET", query: str = "", raw_path: str = ""
) -> Answer:
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": (raw_path or path).encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        "server": ("127.0.0.1", PORT),
        "client": ("127.0.0.1", 50_000),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(guard(scope, receive, send))
    [start] = [message for message in sent if message["type"] == "http.response.start"]
    found = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return start["status"], found, b"".join(message.get("body", b"") for message in sent)


def entered(guard: Guard) -> dict[str, str]:
    """Return the headers of a browser that was given the address with the token."""
    status, headers, _ = request(guard, "/", OWN, query=f"token={guard.token}")
    assert status == 200
    assert "HttpOnly" in headers["set-cookie"]
    assert "samesite=strict" in headers["set-cookie"].lower()
    return {**OWN, "cookie": headers["set-cookie"].partition(";")[0]}


PATHS = ("/", "/app.js", "/app.css", "/api/about", "/api/runs", "/api/run", "/api/logs", "/api/plan", "/report")


@pytest.mark.parametrize("path", PATHS)
def test_no_path_answers_without_the_cookie(path: str) -> None:
    assert request(guarded(), path, OWN)[0] == 403


@pytest.mark.parametrize("query", ["token=", "token=wrong", "token=%ff%fe", "tokem=x", "token=é"])
def test_wrong_token_is_no_entry(query: str) -> None:
    status, headers, _ = request(guarded(), "/", OWN, query=query.encode("utf-8").decode("latin-1"))
    assert status == 403
    assert "set-cookie" not in headers


def test_token_of_another_start_is_no_entry_and_neither_is_its_cookie() -> None:
    earlier, guard = guarded(), guarded()
    assert request(guard, "/", OWN, query=f"token={earlier.token}")[0] == 403
    assert request(guard, "/api/about", entered(earlier))[0] == 403


def test_page_answers_the_browser_that_has_the_cookie_with_a_policy_that_allows_nothing_inline() -> None:
    guard = guarded()
    status, headers, body = request(guard, "/", entered(guard))
    assert (status, headers["content-security-policy"]) == (200, POLICY)
    assert "unsafe" not in POLICY
    assert b"<style" not in body
    assert b"style=" not in body
    assert body.count(b"<script") == body.count(b'<script src="/app.js">') == 1
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:1", f"127.0.0.1.evil.example:{PORT}", ""]
)
def test_foreign_host_is_refused_although_the_cookie_is_there(host: str) -> None:
    guard = guarded()
    assert request(guard, "/api/about", {**entered(guard), "host": host})[0] == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://" + HOST, "http://127.0.0.1:1", ""])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_foreign_origin_is_refused_although_the_cookie_is_there(origin: str, method: str) -> None:
    guard = guarded(allow_changes=True)
    headers = {**entered(guard), "origin": origin}
    assert request(guard, "/api/stop", headers, method=method, query="run=arn:a")[0] == 403


def test_change_without_an_origin_is_refused() -> None:
    guard = guarded(allow_changes=True)
    assert request(guard, "/api/stop", entered(guard), method="POST", query="run=arn:a")[0] == 403


@pytest.mark.parametrize("path", ["/api/stop", "/api/redrive", "/api/about", "/"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_is_changed_where_the_page_only_looks(path: str, method: str) -> None:
    guard = guarded()
    headers = {**entered(guard), "origin": f"http://{HOST}"}
    status, _, body = request(guard, path, headers, method=method, query="run=arn:a")
    assert status == 403
    assert b"--allow-changes" in body


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/api/stop", "/api/redrive"])
def test_link_changes_nothing(method: str, path: str) -> None:
    guard = guarded(allow_changes=True)
    assert request(guard, path, entered(guard), method=method, query="run=arn:a")[0] == 405


@pytest.mark.parametrize("run", ["", "--help", "latest", "run-1; rm -rf /", "../../etc/passwd"])
def test_only_an_arn_names_a_run(run: str) -> None:
    guard = guarded(allow_changes=True)
    headers = {**entered(guard), "origin": f"http://{HOST}"}
    for path, method in (("/api/stop", "POST"), ("/api/redrive", "POST"), ("/report", "GET"), ("/api/logs", "GET")):
        with pytest.raises(AssertionError, match="the stack was asked"):  # not before the name is checked
            request(guard, path, headers, method=method, query="run=arn:x")
        assert request(guard, path, headers, method=method, query=f"run={run.replace(' ', '%20')}")[0] == 400


@pytest.mark.parametrize(
    "path", ["/../hpc/ui/app.py", "/app.js/../guard.py", "/assets/app.js", "/%2e%2e/etc/passwd", "//"]
)
def test_there_is_no_way_to_other_files(path: str) -> None:
    guard = guarded()
    assert request(guard, path, entered(guard))[0] == 404


def test_embedding_of_another_site_is_refused_and_its_link_is_not() -> None:
    guard = guarded()
    own = entered(guard)
    embedded = {**own, "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert request(guard, "/app.js", embedded)[0] == 403
    followed = {**own, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert request(guard, "/", followed)[0] == 200


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("size=-1", b"size"),
        ("size=x", b"size"),
        ("seconds=nan", b"seconds"),
        ("seconds=0", b"seconds"),
        ("region=x", b"region"),
    ],
)
def test_figure_that_no_plan_has_is_refused_in_words(query: str, words: bytes) -> None:
    guard = guarded()
    status, _, body = request(guard, "/api/plan", entered(guard), query=query)
    assert status == 400
    assert words in body


def test_plan_is_that_of_the_command() -> None:
    guard = guarded()
    status, _, body = request(guard, "/api/plan", entered(guard), query="size=1000&seconds=2&memory_mib=512")
    assert status == 200
    assert b'"recommended":{' in body
