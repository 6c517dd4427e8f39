"""The pages of `hpc ui` as an ASGI application."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from importlib.resources import files
from itertools import islice
from typing import TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from hpc.commands.logs import log_lines
from hpc.errors import CommandError, NotStartedError
from hpc.report.page import SERVED_POLICY, render
from hpc.report.style import STYLE
from hpc.runs.find import find_execution
from hpc.runs.run import Run
from hpc.targets.client import Target
from hpc.terminal.printable import printable
from hpc.ui.changes import Changes
from hpc.ui.door import Door, Stamp
from hpc.ui.feeds import Feed, Reading
from hpc.ui.snapshots import RunReader, facts_of, list_runs, plan_of

Found = TypeVar("Found")
ASSETS = {"index.html": "text/html", "app.js": "text/javascript", "app.css": "text/css"}
# Between two looks, at the least: a local server answers at once, an account counts requests.
LOCAL_SECONDS, AWS_SECONDS = 0.5, 3.0
# Where nothing goes on that is known of.
IDLE_LOCAL_SECONDS, IDLE_AWS_SECONDS = 1.0, 20.0
MAX_LOG_LINES = 2_000
MAX_INDEX_DIGITS = 16
# Times as long as a look took pass before the next one: watching takes a tenth of a processor, or of an account's
# requests, at the most.
PAUSE_FACTOR = 10
# Feeds of runs that were looked at and may be again.
MAX_FEEDS = 200


class Page:
    """State that the routes share: one thread that asks the stack, and a feed for each page that is open.

    Parameters
    ----------
    changes
        What stops and redrives runs; None where the page only looks.
    """

    def __init__(self, door: Door, changes: Changes | None, *, place: str) -> None:
        self._door = door
        self._changes = changes
        self.place = place
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="ui")
        self._costs: dict[str, float | None] = {}
        self._feeds: dict[str, Feed] = {}

    def routes(self) -> list[Route]:
        """Return everything that is answered; there is no other path."""
        assets = [Route(f"/{name}", partial(_asset, name)) for name in ASSETS if name != "index.html"]
        return [
            Route("/", partial(_asset, "index.html")),
            *assets,
            Route("/api/about", self.about),
            Route("/api/runs", self.runs),
            Route("/api/run", self.run),
            Route("/api/logs", self.logs),
            Route("/api/plan", self.plan),
            Route("/report", self.report),
            Route("/api/stop", self.stop, methods=["POST"]),
            Route("/api/redrive", self.redrive, methods=["POST"]),
        ]

    async def about(self, _request: Request) -> Response:
        return JSONResponse({"place": self.place, "allow_changes": self._changes is not None})

    async def runs(self, _request: Request) -> Response:
        return self._stream("", self._runs_reader())

    async def run(self, request: Request) -> Response:
        arn = _arn(request)
        return self._stream(arn, self._run_reader(arn))

    def _runs_reader(self) -> Callable[[], Awaitable[Reading]]:
        def read(target: Target) -> Reading:
            runs = list_runs(target, self._costs)
            unpriced = any(run["usd"] is None and run["status"] != "RUNNING" for run in runs)
            is_live = unpriced or any(run["status"] == "RUNNING" for run in runs)
            return Reading({"runs": runs}, self._pause(is_live=is_live))

        return self._cached(read)

    def _run_reader(self, arn: str) -> Callable[[], Awaitable[Reading]]:
        reader = RunReader(arn)

        def read(target: Target) -> Reading:
            found = reader.read(target)
            said = self._changes.said_of(found["execution_arn"]) if self._changes else []
            return Reading({**found, "said": said}, self._pause(is_live=found["is_running"]))

        return self._cached(read)

    def _cached(self, read: Callable[[Target], Reading]) -> Callable[[], Awaitable[Reading]]:
        """Return a reader that gives the last reading again where nothing can have happened since."""
        last: tuple[Stamp, int, Reading] | None = None

        async def read_if_changed() -> Reading:
            nonlocal last
            stamp, changes = self._door.stamp(), self._changes.count if self._changes else 0
            if last is not None and stamp is not None and last[:2] == (stamp, changes):
                return last[2]
            took, reading = await self._ask(lambda target: _timed(read, target))
            after = self._door.stamp()
            if after is not None:  # whether there is something new costs next to nothing
                last = (after, changes, reading)
                return reading
            last = None
            return replace(reading, pause_seconds=max(reading.pause_seconds, PAUSE_FACTOR * took))

        return read_if_changed

    def _pause(self, *, is_live: bool) -> float:
        if self._door.is_local:
            return LOCAL_SECONDS if is_live else IDLE_LOCAL_SECONDS
        return AWS_SECONDS if is_live else IDLE_AWS_SECONDS

    def _stream(self, name: str, read: Callable[[], Awaitable[Reading]]) -> Response:
        if name not in self._feeds:
            while len(self._feeds) >= MAX_FEEDS:
                idle = next((each for each, feed in self._feeds.items() if feed.is_idle), None)
                if idle is None:
                    return JSONResponse({"problem": f"more than {MAX_FEEDS} runs are looked at"}, 503)
                del self._feeds[idle]
            self._feeds[name] = Feed(read)
        return StreamingResponse(_encoded(self._feeds[name]), media_type="text/event-stream")

    async def logs(self, request: Request) -> Response:
        arn, index = _arn(request), request.query_params.get("index", "")
        if index and not (index.isascii() and index.isdecimal() and len(index) <= MAX_INDEX_DIGITS):
            raise NotStartedError("index must be the number of an item")

        def read(target: Target) -> list[str]:
            run = Run(target, find_execution(target, arn))
            return list(
                map(printable, islice(log_lines(run, int(index) if index else None, is_raw=False), MAX_LOG_LINES))
            )

        return JSONResponse({"lines": await self._ask(read), "most": MAX_LOG_LINES})

    async def plan(self, request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(plan_of, dict(request.query_params)))

    async def report(self, request: Request) -> Response:
        named = _arn(request)
        page = await self._ask(lambda target: render(facts_of(target, named)))
        return HTMLResponse(page, headers={"Content-Security-Policy": SERVED_POLICY})

    async def stop(self, request: Request) -> Response:
        return await self._change(request, "stop")

    async def redrive(self, request: Request) -> Response:
        return await self._change(request, "redrive")

    async def _change(self, request: Request, verb: str) -> Response:
        if self._changes is None:  # the guard has refused it already
            raise NotStartedError("hpc ui only looks: start it with --allow-changes")
        named = _arn(request)
        arn = await self._ask(lambda target: find_execution(target, named))
        started = self._changes.start(verb, arn)
        for feed in self._feeds.values():
            feed.look_now()
        if not started:
            raise NotStartedError("a command for this run is still under way")
        return JSONResponse({"started": f"hpc {verb}"})

    async def _ask(self, read: Callable[[Target], Found]) -> Found:
        def ask() -> Found:
            with self._door.open() as target:
                return read(target)

        return await asyncio.get_running_loop().run_in_executor(self._asking, ask)


def make_app(page: Page) -> Starlette:
    """Return the application, without its guard."""
    return Starlette(routes=page.routes(), exception_handlers={CommandError: _told})


def _timed(read: Callable[[Target], Found], target: Target) -> tuple[float, Found]:
    began = time.monotonic()
    found = read(target)
    return time.monotonic() - began, found


async def _told(_request: Request, error: Exception) -> Response:
    return JSONResponse({"problem": str(error)}, 400)


async def _encoded(feed: Feed) -> AsyncIterator[bytes]:
    async for event in feed.events():
        yield event.encode()


async def _asset(name: str, _request: Request) -> Response:
    content = files("hpc.ui").joinpath("assets", name).read_text(encoding="utf-8")
    if name == "app.css":
        content = STYLE + content
    return Response(content, media_type=f"{ASSETS[name]}; charset=utf-8")


def _arn(request: Request) -> str:
    """Return the run that a request names; ``latest`` and names are for people, the page has ARNs."""
    arn = request.query_params.get("run", "")
    if not arn.startswith("arn:"):
        raise NotStartedError("run must be the ARN of an execution")
    return arn
