"""`python -m hpc.cli.help_page > docs/reference/cli.md`: the reference of the command line, from its own help."""

import argparse
import sys

from hpc.cli.main import build_parsers

COLUMNS = 100
HEAD = """\
# The command line

What each command prints with `--help`. `.venv/bin/hpc` is the command that `make` installs.
This page is generated: `python -m hpc.cli.help_page > docs/reference/cli.md`.
"""


def help_page() -> str:
    """Return the page; its width does not depend on the terminal's."""
    parts = [HEAD]
    for title, parser in build_parsers().items():
        parser.formatter_class = _formatter
        parts.append(f"## {title}\n\n```\n{parser.format_help().rstrip()}\n```\n")
    return "\n".join(parts)


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, width=COLUMNS)


if __name__ == "__main__":
    sys.stdout.write(help_page())
