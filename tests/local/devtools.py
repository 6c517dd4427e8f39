"""A headless Chromium that is driven: pages are opened, clicked on and asked, and all that they complain of is kept."""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from browser import CHROMIUM

PATIENCE_SECONDS = 120.0
# Chromium reads commands from the first and writes answers to the second, each ended by a zero byte.
PIPE = 'exec "$0" "$@" 3<&%d 4>&%d'


KEYS = {"Tab": 9, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}


class RefusedError(Exception):
    """The browser did not do what it was told."""


class Tab:
    """One page of a browser.

    Attributes
    ----------
    complaints : list of str
        What the console said of errors, and exceptions.
    requests : list of str
        Addresses that were asked for.
    """

    def __init__(self, commands: int, answers: int) -> None:
        self._commands = commands
        self._answers = answers
        self._last = 0
        self._kept = b""
        self._session = ""
        self.complaints: list[str] = []
        self.requests: list[str] = []
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable", {})

    def open(self, address: str) -> None:
        self._call("Page.navigate", {"url": address})

    def size(self, *, width_pixels: int, height_pixels: int, is_dark: bool) -> None:
        metrics = {"width": width_pixels, "height": height_pixels, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self._call("Emulation.setEmulatedMedia", {"features": [scheme]})

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression, awaited where it is a promise."""
        given = {"expression": script, "returnByValue": True, "awaitPromise": True}
        answer = self._call("Runtime.evaluate", given)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key, such as ``Tab`` or ``ArrowRight``, as a person does."""
        code = {"windowsVirtualKeyCode": KEYS[key]}
        for kind in ("rawKeyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", {"type": kind, "key": key, "code": key, **code})

    def spoken(self) -> str:
        """Return what a screen reader says of what has the focus: its role and its name."""
        nodes = self._call("Accessibility.getFullAXTree", {})["nodes"]
        focused = [
            node
            for node in nodes
            for each in node.get("properties", [])
            if each["name"] == "focused" and each["value"]["value"] and node["role"]["value"] != "RootWebArea"
        ]
        return " ".join(f"{node['role']['value']}: {node['name']['value']}" for node in focused)

    def wait_for(self, script: str) -> None:
        """Return as soon as an expression is true, or is an element that is there."""
        limit = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < limit:
            with contextlib.suppress(RefusedError):  # the page was left for the next one meanwhile
                if self.evaluate(f"Boolean({script})"):
                    return
            time.sleep(0.1)
        raise AssertionError(f"never true: {script}\n{self.evaluate('document.body.innerText')}")

    def picture(self, path: Path) -> None:
        """Keep what the page looks like, whole."""
        import base64

        shot = self._call("Page.captureScreenshot", {"captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(shot["data"]))

    def _call(self, method: str, given: dict[str, Any]) -> dict[str, Any]:
        self._last += 1
        message = {"id": self._last, "method": method, "params": given}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._last:
                if "error" in answer:
                    raise RefusedError(answer["error"])
                found: dict[str, Any] = answer["result"]
                return found
            self._note(answer.get("method", ""), answer.get("params", {}))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._kept:
            read = os.read(self._answers, 65_536)
            assert read, "the browser has ended"
            self._kept += read
        message, _, self._kept = self._kept.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def _note(self, method: str, given: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(given["exceptionDetails"]))
        elif method == "Log.entryAdded" and given["entry"]["level"] == "error":
            self.complaints.append(f"{given['entry']['text']} {given['entry'].get('url', '')}")
        elif method == "Runtime.consoleAPICalled" and given["type"] in ("error", "warning", "assert"):
            self.complaints.append(json.dumps(given["args"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])


@contextmanager
def tab(folder: Path) -> Iterator[Tab]:
    """Lend a page of a browser of its own, which can reach loopback only."""
    read_commands, write_commands = os.pipe()
    read_answers, write_answers = os.pipe()
    process = subprocess.Popen(
        [
            *("bash", "-c", PIPE % (read_commands, write_answers), str(CHROMIUM), "--headless", "--no-sandbox"),
            *("--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}"),
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ],
        pass_fds=(read_commands, write_answers),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_commands)
    os.close(write_answers)
    try:
        yield Tab(write_commands, read_answers)
    finally:
        process.kill()
        process.wait()
        os.close(write_commands)
        os.close(read_answers)
