"""Hooks of mkdocs.yml: pages of the site that stand elsewhere in the repository, and links that lead out of docs/."""

import re
from pathlib import Path
from posixpath import dirname, join, normpath, relpath
from typing import Any

from mkdocs.structure.files import File, Files

PROJECT = Path(__file__).parents[1]
# Where a page stands in the repository, and its path in the site.
PAGES_ELSEWHERE = {
    "packages/sfn-local/docs/conformance.md": "reference/conformance.md",
    "packages/sfn-local/docs/fidelity.md": "reference/fidelity.md",
    "CHANGELOG.md": "changelog.md",
}
LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<path>\.\./[^)#\s]*)(?P<anchor>#[^)\s]*)?\)")


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages that stand elsewhere."""
    for source, page in PAGES_ELSEWHERE.items():
        files.append(File.generated(config, page, content=(PROJECT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_others: Any) -> str:
    """Point links at pages that stand elsewhere to their place in the site; other links out of docs/ become text."""

    def mended(match: re.Match[str]) -> str:
        target = normpath(join("docs", dirname(page.file.src_uri), match["path"]))
        if target.startswith("docs/"):
            return match[0]
        if target not in PAGES_ELSEWHERE:
            return match["text"]
        path = relpath(PAGES_ELSEWHERE[target], dirname(page.file.src_uri) or ".")
        return f"[{match['text']}]({path}{match['anchor'] or ''})"

    return LINK.sub(mended, markdown)
