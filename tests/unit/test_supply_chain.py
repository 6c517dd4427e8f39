"""Installed packages are pinned by version and by hash, and no file names a registry."""

import json
import re
from pathlib import Path

import audit
import pytest

ROOT = Path(__file__).parents[2]
PIN = re.compile(
    r"(?P<pin>[a-z0-9][a-z0-9._-]*(\[[a-z0-9,]+\])?==[^\s;\\]+)[^\n\\]*"
    r"(?P<hashes>(\\\n    --hash=sha256:[0-9a-f]{64} ?)*)",
    re.IGNORECASE,
)
LISTS = (
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-build.txt",
    "requirements-docs.txt",
    "lambdas/requirements.txt",
)


def pins_of(name: str) -> dict[str, int]:
    """Return how many hashes each pin of a file has."""
    found = PIN.finditer((ROOT / name).read_text())
    return {re.sub(r"\[.*\]", "", match["pin"]): match["hashes"].count("--hash=") for match in found}


@pytest.mark.parametrize("name", LISTS)
def test_every_requirement_is_pinned_by_version_and_hash(name: str) -> None:
    # A package may have another version by Python.
    lines = [re.split("[#;]", line)[0].strip() for line in (ROOT / name).read_text().splitlines()]
    wanted = [re.sub(r"\[.*\]", "", line) for line in lines if line]
    assert wanted
    pinned = pins_of("constraints.txt")
    assert [pin for pin in wanted if not pinned.get(pin)] == []


@pytest.mark.parametrize("name", ["constraints.txt", "requirements-uv.txt"])
def test_every_pin_has_hashes(name: str) -> None:
    pins = pins_of(name)
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith(" ")]
    assert len(pins) == len(lines)
    assert [pin for pin, count in pins.items() if count == 0] == []


def test_uv_is_the_one_that_is_asked_for() -> None:
    assert (ROOT / "requirements-uv.in").read_text().split()[0] in pins_of("requirements-uv.txt")


def test_cdk_cli_is_locked_by_hash() -> None:
    wanted = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert packages.pop("")["devDependencies"] == wanted
    assert {name.rpartition("node_modules/")[2]: each["version"] for name, each in packages.items()} == wanted
    assert all(each["integrity"].startswith("sha512-") for each in packages.values())


@pytest.mark.parametrize("name", ["constraints.txt", "requirements-uv.txt", "package-lock.json", *LISTS])
def test_no_pin_names_a_registry(name: str) -> None:
    assert "://" not in (ROOT / name).read_text()


def test_makefile_installs_with_hashes() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    installs = [line for line in lines if re.match(r"\t.*(pip install|UV_INSTALL\)|uv build|npm ci)", line)]
    checked = ("--require-hashes", "--build-constraints constraints.txt")
    assert len(installs) == 7
    assert [line for line in installs if "npm ci" not in line and not any(each in line for each in checked)] == []


def report(*packages: dict[str, object]) -> str:
    return json.dumps({"dependencies": [{"name": "numpy", "version": "1", **each} for each in packages]})


@pytest.mark.parametrize(
    ("given", "lines", "code"),
    [
        (report({"vulns": []}), ["1 packages looked up"], 0),
        (
            report({"vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}, {"vulns": []}),
            ["numpy 1: CVE-1, mended in 2", "2 packages looked up"],
            1,
        ),
        (
            report({"vulns": [{"id": "CVE-1", "fix_versions": []}]}),
            ["numpy 1: CVE-1, mended in no version", "1 packages looked up"],
            1,
        ),
        (
            report({"skip_reason": "it was not found"}, {"vulns": []}),
            ["skipped: 1 of 2 packages, as it was not found", "1 packages looked up"],
            0,
        ),
        ("", ["skipped: pip-audit made no report: no route"], 0),
        ("[]", ["skipped: pip-audit made no report: no route"], 0),
    ],
)
def test_audit_says_what_it_knows_and_what_it_does_not(given: str, lines: list[str], code: int) -> None:
    assert audit.verdict(given, "one\nno route\n") == (lines, code)
