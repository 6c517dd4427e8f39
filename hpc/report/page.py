"""The page: from the facts about a run to one HTML file that needs nothing else."""

import base64
import hashlib
import json
import re
from pathlib import PurePath
from typing import Any

from hpc.report.cost import cost_section
from hpc.report.escape import escape
from hpc.report.facts import Facts
from hpc.report.graph import ARROW
from hpc.report.head import head
from hpc.report.html import SHOWN_CHARACTERS, replay, table
from hpc.report.machine_sections import machine_sections
from hpc.report.running import running_sections
from hpc.report.style import SCRIPT, STYLE
from hpc.runs.failure_groups import Group
from hpc.terminal.counter import counted
from hpc.terminal.printable import shorten


def _hash(text: str) -> str:
    """Return the source of a policy that lets this very text be used, and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# Content security policies: of the file, which may be edited, and of the unchanged page that hpc ui serves.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
SERVED_POLICY = f"default-src 'none'; img-src data:; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}"
# Rows of an orchestration's runs.  Sums include the other runs.
SHOWN_RUNS = 30
FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>\S+)(?:\n(?P<code>[^\n]*))?')


def render(facts: Facts) -> str:
    """Return the page; its length does not depend on the number of children."""
    name = escape(facts.root.name)
    sections = [
        head(facts),
        *machine_sections(facts),
        *running_sections(facts),
        _failures(facts),
        cost_section(facts),
        _settings(facts),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{STYLE}</style></head><body>{ARROW}<main>{''.join(sections)}</main><script>{SCRIPT}</script></body>"
        "</html>\n"
    )


def _failures(facts: Facts) -> str:
    failures = facts.failures
    title = f"<h2>Retries and failures</h2><p>{_retries(facts)}</p>"
    jobs = facts.children(is_on_jobs=True)
    if "FAILED" in jobs.samples:
        title += f"<p>{counted(jobs.failed, 'job')} failed, the first: {escape(jobs.samples['FAILED']['Error'])}</p>"
    if not failures.groups:
        return f"{title}<p>{'no item failed' if failures.is_known else 'which items failed is not known'}</p>"
    rows = [
        [
            shorten(kind, SHOWN_CHARACTERS),
            f"{group.count:,}",
            ", ".join(str(item.index) for item in group.first) + (", ..." if group.count > len(group.first) else ""),
            str(max((item.attempts or 1) for item in group.first)),
            own_line(group.first[0].traceback),
            replay(facts, group.first[0].index),
        ]
        for kind, group in failures.groups.items()
    ]
    traces = "".join(map(_traceback, failures.groups.items()))
    left = f"<p>{counted(failures.not_computed, 'item')} more without a result: the batch ended before</p>"
    rows_of = table(["error", "items", "first of them", "attempts", "own code", "replay"], rows, numbers={1, 3})
    return f"{title}{rows_of}{traces}{left if failures.not_computed else ''}"


def own_line(traceback: str) -> str:
    """Return the innermost line of the person's own code, e.g. ``dbg.py:12 in helper: x = known["key2"]``."""
    frames = list(FRAME.finditer(traceback))
    if not frames:
        return ""
    frame = frames[-1]
    code = (frame["code"] or "").strip()
    place = f"{PurePath(frame['file']).name}:{frame['line']} in {frame['function']}"
    return shorten(f"{place}: {code}" if code else place, SHOWN_CHARACTERS)


def _traceback(named: tuple[str, Group]) -> str:
    """Return the traceback of a group's first item, where the person's own code was involved."""
    kind, group = named
    text = next((item.traceback for item in group.first if item.traceback), "")
    summary = escape(shorten(kind, SHOWN_CHARACTERS))
    return f"<details><summary>{summary}</summary><pre>{escape(text)}</pre></details>" if text else ""


def _retries(facts: Facts) -> str:
    retried = [
        f"{escape(name)} {state.retries:,}"
        for machine in facts.tree.machines.values()
        for name, state in machine.states.items()
        if state.retries
    ]
    return f"retries: {', '.join(retried)}" if retried else "no state outside the map was retried"


def _settings(facts: Facts) -> str:
    root = facts.root
    rows: list[tuple[str, Any]] = [("execution", root.arn)]
    if len(facts.parts) == 1:
        [part] = facts.parts
        map_run = part.work.seen.map_run or {}
        rows += part.settings.items()
        rows += [(name, map_run[name]) for name in ("maxConcurrency", "toleratedFailureCount") if name in map_run]
    rows += list(facts.versions.items())
    texts = [[name, value if isinstance(value, str) else json.dumps(value)] for name, value in rows]
    shown = [[name, shorten(text, SHOWN_CHARACTERS)] for name, text in texts]
    return f"<h2>Settings and versions</h2>{_runs(facts)}{table([], shown)}"


def _runs(facts: Facts) -> str:
    """Return the settings of each run of the pipeline, where there are several."""
    if len(facts.parts) == 1:
        return ""
    names = ("name", "back_end", "workload", "item_count", "batch_count")
    with_settings = [part.settings for part in facts.parts if part.settings]
    rows = [[str(settings.get(name, "")) for name in names] for settings in with_settings[:SHOWN_RUNS]]
    left = len(with_settings) - len(rows)
    more = f"<p>and {left:,} more</p>" if left else ""
    return table(["run", "back end", "workload", "items", "batches"], rows, numbers={3, 4}) + more
