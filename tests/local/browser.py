"""A page in headless Chromium: what it draws, how wide it gets, and what it complains about."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: apt-get install chromium")
# A page that is told of by its own title, because a headless browser prints nothing but the page.
MEASURED = """<script>addEventListener("load", () => {
    const root = document.documentElement, asked = performance.getEntriesByType("resource").map(each => each.name)
    document.title = [root.scrollWidth, document.body.scrollHeight, ...asked].join(" ")
})</script>"""


@dataclass(frozen=True)
class Drawn:
    """Measurements of a page.

    Attributes
    ----------
    width_pixels : int
        Of all that the page holds: more than the window's where it would have to be scrolled sideways.
    complaints : list of str
        What the console says, and addresses that the page asked for.
    """

    width_pixels: int
    height_pixels: int
    complaints: list[str]


def opened(page: Path, folder: Path, fragment: str) -> str:
    """Return the page's HTML after its script has run on a link to ``fragment``."""
    return _chromium(folder, f"file://{page}#{fragment}", "light", "--dump-dom").stdout


def draw(page: Path, folder: Path, *, width_pixels: int, scheme: str, picture: Path) -> Drawn:
    """Open a page twice, to measure it and to draw it whole; nothing outside can be reached."""
    measured = folder / "measured.html"
    measured.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{MEASURED}</body>"), encoding="utf-8")
    dom = _chromium(folder, f"file://{measured}", scheme, f"--window-size={width_pixels},900", "--dump-dom")
    title = re.search(r"<title>(\d+ \d+[^<]*)</title>", dom.stdout)
    assert title is not None, dom.stderr
    width, height, *asked = title[1].split()
    size = f"--window-size={width_pixels},{int(height) + 40}"
    done = _chromium(folder, f"file://{page}", scheme, size, f"--screenshot={picture}")
    return Drawn(int(width), int(height), asked + _complaints(dom.stderr) + _complaints(done.stderr))


def _chromium(folder: Path, address: str, scheme: str, *options: str) -> subprocess.CompletedProcess[str]:
    dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    return subprocess.run(
        [
            *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--enable-logging=stderr", "--v=0", f"--user-data-dir={folder / 'profile'}", *dark),
            *("--host-resolver-rules=MAP * ~NOTFOUND", *options, address),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )


def _complaints(logged: str) -> list[str]:
    return [line for line in logged.splitlines() if ":CONSOLE" in line]
