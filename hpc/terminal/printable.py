"""Text of anybody's as one line of a terminal: what steers the terminal, or is not seen, is escaped."""

import unicodedata

# Control characters (ESC, CR, C1), format characters (bidirectional overrides, zero width), halves of surrogate pairs,
# line and paragraph separators.
ESCAPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
SHOWN_CHARACTERS = 60
SHORT_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def printable(text: str) -> str:
    r"""Return a text as one line that a terminal shows and does not obey.

    Characters are escaped as JSON escapes them (``\n``, ``\u001b``), so that JSON stays the JSON that it was.
    """
    if text.isprintable():
        return text
    return "".join(map(_shown, text))


def shorten(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """Return ``text`` as it is shown in a message: one line, bounded."""
    line = printable(text)
    return line if len(line) <= limit else f"{line[:limit]}... ({len(text):,} characters)"


def _shown(character: str) -> str:
    if unicodedata.category(character) not in ESCAPED_CATEGORIES:
        return character
    if character in SHORT_ESCAPES:
        return SHORT_ESCAPES[character]
    code = ord(character)
    units = [code] if code < 0x10000 else [0xD800 + (code - 0x10000 >> 10), 0xDC00 + (code - 0x10000 & 0x3FF)]
    return "".join(f"\\u{unit:04x}" for unit in units)


def is_unicode(text: str) -> bool:
    """Whether UTF-8 can hold a text: it has no lone half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
