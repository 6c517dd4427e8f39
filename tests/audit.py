"""Known vulnerabilities of what constraints.txt pins, as pip-audit finds them; ``make audit`` runs it.

Says "skipped" and why where their database can't be asked: of no package it is said that it is sound unless it was
looked up.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PIP_AUDIT = "pip-audit==2.10.1"


def main() -> int:
    command = ["uvx", "--quiet", "--from", PIP_AUDIT, "pip-audit", "--disable-pip", "--require-hashes"]
    options = ["--requirement", "constraints.txt", "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    lines, code = verdict(done.stdout, done.stderr)
    print("\n".join(lines))
    return code


def verdict(report: str, complaint: str) -> tuple[list[str], int]:
    """Return what to say of pip-audit's report, and the exit code: 1 where a package has a known vulnerability."""
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = (complaint.strip().splitlines() or ["it says nothing"])[-1]
        return [f"skipped: pip-audit made no report: {reason}"], 0
    found = [
        f"{each['name']} {each['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'no version'}"
        for each in packages
        for flaw in each.get("vulns", ())
    ]
    unknown = [each for each in packages if "skip_reason" in each]
    if unknown:
        found.append(f"skipped: {len(unknown)} of {len(packages)} packages, as {unknown[0]['skip_reason']}")
    known = len(packages) - len(unknown)
    return [*found, f"{known} packages looked up"], int(any(each.get("vulns") for each in packages))


if __name__ == "__main__":
    sys.exit(main())
