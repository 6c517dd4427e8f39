"""Text in HTML."""

import html

from hpc.terminal.printable import printable


def escape(text: str) -> str:
    """Return HTML that shows a text, lines as lines; what would steer the browser's text (its direction) is escaped."""
    return html.escape("\n".join(map(printable, text.split("\n"))))
