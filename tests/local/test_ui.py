"""`hpc ui` as a person uses it: a real browser watches a run from its start to its redrive, here and on AWS."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aws_commands import deployed
from browser import needs_chromium
from devtools import Tab, tab
from hpc_commands import HPC, assembly, environment

AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
HOSTILE = "</script><img src=x onerror=window.hacked=1>\x1b[31m\u202e \U0001f600 " + "x" * 10_000
# An item waits for a file, and fails as long as another one is not there, with an error that would like to be code.
MENDABLE = f"""
import time
from pathlib import Path


def compute(item, params):
    if item == 5:
        while not Path(params["go"]).exists():
            time.sleep(0.05)
        if not Path(params["mended"]).exists():
            raise ValueError({HOSTILE!r})
    return item
"""
BADGE = "document.querySelector('h1 .badge')?.innerText"


@contextmanager
def page(tmp_path: Path, *options: str, home: Path, **changes: str) -> Iterator[str]:
    """Start the command and return the address that it prints."""
    command = [str(HPC), "ui", "--no-browser", *options]
    with subprocess.Popen(
        command, env=environment(home, **changes), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:"), process.stderr.read()
            yield address
        finally:
            process.terminate()
            assert process.wait(timeout=60) == 0, process.stderr.read()


def check(shown: Tab, address: str) -> None:
    """Nothing was complained of, nothing ran that a workload wrote, nothing was asked for elsewhere."""
    own = address.partition("?")[0]
    assert shown.complaints == []
    assert [each for each in shown.requests if not each.startswith((own, "data:", "about:"))] == []
    assert shown.evaluate("window.hacked") is None


def check_accessible(shown: Tab) -> None:
    if not AXE.is_file():
        return
    shown.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    found = shown.evaluate(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa']}).then(found => JSON.stringify("
        "found.violations.map(each => [each.id, each.nodes.map(node => node.html.slice(0, 200))])))"
    )
    assert json.loads(found) == []


def check_drawn(shown: Tab, folder: Path, name: str) -> None:
    """Look at a page on a desktop and on a phone, light and dark: it is never wider than the window, and accessible."""
    for width_pixels, is_dark in ((1_200, False), (390, True), (390, False), (1_200, True)):
        shown.size(width_pixels=width_pixels, height_pixels=900, is_dark=is_dark)
        assert shown.evaluate("document.documentElement.scrollWidth") <= width_pixels
        check_accessible(shown)
        shown.picture(folder / f"{name}-{width_pixels}-{'dark' if is_dark else 'light'}.png")


def check_keys(shown: Tab) -> None:
    """Go through the bars of a report's timeline by the keyboard: each has a name, which is shown as well."""
    shown.evaluate("document.querySelectorAll('svg.bars')[1].closest('figure').id = 'timeline', 0")
    shown.evaluate("document.querySelector('#timeline .bar').focus(), 0")
    said = [shown.spoken()]
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "End", "ArrowRight", "Home"):
        shown.press(key)
        said.append(shown.spoken())
        assert said[-1].endswith(shown.evaluate("document.querySelector('#timeline .told').innerText"))
    places = [each.rpartition("(")[2] for each in said]
    last = shown.evaluate("document.querySelectorAll('#timeline .bar').length")
    assert places == [f"{place} of {last})" for place in (1, 2, 3, 2, last, last, 1)]
    assert all(re.match(r"image: item \d+: [\d.]+ m?s, .* after the start", each) for each in said)
    shown.press("Tab")
    assert shown.evaluate("document.activeElement.closest('#timeline')") is None


@contextmanager
def going_run(tmp_path: Path, home: Path, name: str) -> Iterator[subprocess.Popen[str]]:
    """Start a run that goes on until there is a file ``go``."""
    (tmp_path / "mendable.py").write_text(MENDABLE)
    params = json.dumps({"mended": str(tmp_path / "mended"), "go": str(tmp_path / "go")})
    run = ["run", "--size", "12", "--batch-size", "1", "--workload", str(tmp_path / "mendable.py"), "--params", params]
    with subprocess.Popen(
        [str(HPC), *run, "--name", name, "--assembly", str(assembly())],
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@needs_chromium
def test_browser_watches_a_run_from_its_start_to_its_redrive(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with page(tmp_path, "--allow-changes", home=home) as address, tab(tmp_path) as shown:
        shown.open(address)
        shown.wait_for("document.querySelector('#news')?.innerText.length > 0")
        with going_run(tmp_path, home, "mendable") as process:
            shown.wait_for("document.querySelector('#runs .badge.RUNNING')")
            shown.evaluate("document.querySelector('#runs a').click(), 0")
            shown.wait_for("document.querySelector('#run-progress')?.innerText.includes('11 succeeded, 1 computing')")
            shown.wait_for("document.querySelector('#run-live svg')")
            assert not shown.evaluate("document.querySelector('#stop').disabled")
            check_drawn(shown, tmp_path, "running")
            (tmp_path / "go").touch()
            shown.wait_for(f"{BADGE}?.includes('FAILED')")
            process.communicate()
            assert process.returncode == 1
        shown.evaluate("document.querySelector('.brand').click(), 0")
        shown.wait_for("document.querySelector('#runs .badge.FAILED')")
        assert "mendable" in shown.evaluate("document.querySelector('#runs').innerText")
        check_drawn(shown, tmp_path, "runs")
        shown.evaluate("document.querySelector('#search').value = 'nothing like it'")
        shown.evaluate("document.querySelector('#search').dispatchEvent(new Event('input')), 0")
        assert "no run is like that" in shown.evaluate("document.querySelector('#runs').innerText")
        shown.evaluate("document.querySelector('#search').value = '', 0")
        shown.evaluate("document.querySelector('#search').dispatchEvent(new Event('input')), 0")
        shown.evaluate("document.querySelector('#runs a').click(), 0")
        shown.wait_for(f"{BADGE}?.includes('FAILED')")
        shown.wait_for("document.querySelector('#run-problems td')")
        assert "mendable.py" in shown.evaluate("document.querySelector('#run-problems').innerText")
        assert shown.evaluate("document.querySelectorAll('#run-graphs a.state.FAILED').length") > 0
        shown.evaluate("document.querySelector('#run-problems button').click(), 0")
        shown.wait_for("document.querySelector('#log-lines').innerText.includes('item 5 (batch 5)')")
        check_drawn(shown, tmp_path, "failed")
        assert shown.evaluate("document.querySelector('#stop').disabled")
        (tmp_path / "mended").touch()
        shown.evaluate("document.querySelector('#redrive').click(), 0")
        shown.wait_for(f"{BADGE}?.includes('SUCCEEDED')")
        shown.wait_for("document.querySelector('#run-progress').innerText.includes('12 succeeded')")
        check_drawn(shown, tmp_path, "redriven")
        report = shown.evaluate("document.querySelector('#run-actions a').href")
        shown.open(report)
        shown.wait_for(f"{BADGE}?.includes('SUCCEEDED')")
        check_drawn(shown, tmp_path, "report")
        check_keys(shown)
        shown.open(f"{address.partition('?')[0]}#/plan")
        shown.wait_for("document.querySelector('#plan tr.recommended')")
        before = shown.evaluate("document.querySelector('#plan .hero').innerText")
        shown.evaluate("document.querySelector('#size').value = 8, 0")
        shown.evaluate("document.querySelector('#size').dispatchEvent(new Event('input')), 0")
        shown.wait_for(f"document.querySelector('#plan .hero').innerText !== {json.dumps(before)}")
        check_drawn(shown, tmp_path, "plan")
        check(shown, address)


@needs_chromium
def test_browser_stops_a_run(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with (
        page(tmp_path, "--allow-changes", home=home) as address,
        tab(tmp_path) as shown,
        going_run(tmp_path, home, "endless") as process,
    ):
        shown.open(address)
        shown.wait_for("document.querySelector('#runs .badge.RUNNING')")
        shown.evaluate("document.querySelector('#runs a').click(), 0")
        shown.wait_for("document.querySelector('#run-progress')?.innerText.includes('11 succeeded, 1 computing')")
        shown.evaluate("document.querySelector('#stop').click(), 0")
        shown.wait_for(f"{BADGE}?.includes('ABORTED')")
        process.communicate()
        shown.wait_for("document.querySelector('#run-progress').innerText.includes('11 succeeded, 1 stopped')")
        assert "failed" not in shown.evaluate("document.querySelector('#run-progress').innerText")
        check(shown, address)


@needs_chromium
def test_browser_looks_at_a_deployed_stack_and_may_change_nothing(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with deployed(tmp_path, assembly()) as on_aws:
        run = ("run", "--size", "20", "--batch-size", "5", "--workload", "squares")
        assert on_aws.call(capfd, *run).returncode == 0
        with page(tmp_path, "--aws", home=tmp_path / "home", **on_aws.settings()) as address, tab(tmp_path) as shown:
            shown.open(address)
            shown.wait_for("document.querySelector('#runs .badge.SUCCEEDED')")
            shown.evaluate("document.querySelector('#runs a').click(), 0")
            shown.wait_for(f"{BADGE}?.includes('SUCCEEDED')")
            shown.wait_for("document.querySelector('#run-progress').innerText.includes('4 succeeded')")
            assert shown.evaluate("document.querySelector('#redrive')") is None
            status = "fetch('/api/stop?run=arn:x', {method: 'POST'}).then(answer => answer.status)"
            assert shown.evaluate(status) == 403
            shown.complaints.clear()  # of that refusal
            check(shown, address)


@needs_chromium
def test_page_of_a_machine_without_runs_says_so(tmp_path: Path) -> None:
    with page(tmp_path, home=tmp_path / "home") as address, tab(tmp_path) as shown:
        shown.open(address)
        shown.wait_for("document.querySelector('#news')?.innerText.length > 0")
        assert "hpc run" in shown.evaluate("document.body.innerText")
        check_drawn(shown, tmp_path, "empty")
        check(shown, address)
