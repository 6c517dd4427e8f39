"""Small pieces of HTML."""

from collections.abc import Iterable

from hpc.report.escape import escape
from hpc.report.graph import SIGNS

SHOWN_CHARACTERS = 300


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

        written = "".join(f"<{tag}{kind(place)}>{html(cell)}</{tag}>" for place, cell in enumerate(cells))
        return f"<tr>{written}</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f'<div class="scroll"><table>{line(head, "th") if head else ""}{body}</table></div>'


def html(text: str) -> str:
    return text if isinstance(text, Markup) else escape(text)


def link(anchor: str, text: str) -> Markup:
    return Markup(f'<a href="#{escape(anchor)}">{escape(text)}</a>')


def status_text(status: str) -> str:
    return f"{SIGNS.get(status, '')} {status}"
