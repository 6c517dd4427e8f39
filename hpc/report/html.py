"""Small pieces of HTML."""

import re
from collections.abc import Iterable

from hpc.report.escape import escape
from hpc.report.facts import Facts
from hpc.report.graph import SIGNS

SHOWN_CHARACTERS = 300
LONG_WORD = re.compile(r"(\S{30})(?=\S)")


class Markup(str):
    """Text that is HTML already: everything else is escaped."""

    __slots__ = ()


def table(head: list[str], rows: Iterable[list[str]], numbers: Iterable[int] = ()) -> str:
    """Return a table; ``numbers`` are the columns to align right."""
    right = set(numbers)

    def line(cells: list[str], tag: str) -> str:
        def kind(place: int) -> str:
            if place in right:
                return " class=n"
            is_name = not head and place == 0
            return " class=k" if is_name or cells[place].startswith(tuple(SIGNS.values())) else ""

        def heading(place: int) -> str:
            """Return what stands before a cell on a phone, where each row is a block."""
            return f' data-head="{escape(head[place])}"' if tag == "td" and head and head[place] else ""

        written = "".join(
            f"<{tag}{kind(place)}{heading(place)}>{html(cell)}</{tag}>" for place, cell in enumerate(cells)
        )
        return f"<tr>{written}</tr>"

    body = "".join(line(row, "td") for row in rows)
    heads = f"<thead>{line(head, 'th')}</thead>" if head else ""
    return f'<div class="scroll" tabindex="0"><table>{heads}<tbody>{body}</tbody></table></div>'


def html(text: str) -> str:
    """Return text as HTML that may be broken inside of long words, which would widen a table."""
    if isinstance(text, Markup):
        return text
    parts = enumerate(LONG_WORD.split(text))  # each second one is the start of a long word
    return "".join(f"{escape(part)}<wbr>" if place % 2 else escape(part) for place, part in parts)


def link(anchor: str, text: str) -> Markup:
    return Markup(f'<a href="#{escape(anchor)}">{escape(text)}</a>')


def status_text(status: str) -> str:
    return f"{SIGNS.get(status, '')} {status}"


def replay(facts: Facts, index: int) -> Markup | str:
    """Return the command that computes an item once more, nothing where the page is of several runs."""
    if len(facts.parts) != 1:
        return ""
    place = "" if facts.run.target.is_local else " --aws"
    return Markup(f"<code>{escape(f'hpc replay {facts.parts[0].work.run.name} {index}{place}')}</code>")
