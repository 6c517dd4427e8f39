"""`hpc run --workload FILE.py`: a file of one's own through the synthesized machine."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from hpc_commands import assembly, call, hpc, result_of
from sfn_local.server import LocalServer

from hpc.targets.local import OVERLAY

MINE = "import numpy as np\n\ndef compute(item, params): return np.arange(item).sum() * params['by']\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def test_run_computes_with_a_file_and_notes_its_hash(tmp_path: Path, file: Path) -> None:
    params = ("--params", '{"by": 2}')
    done = hpc(tmp_path / "home", "run", "--size", "5", "--workload", str(file), *params, "--output", "json")
    output = result_of(done)
    assert json.loads(output["output"]["result"]) == [0, 0, 2, 6, 12]
    settings = json.loads((Path(output["results"]) / "run.json").read_text())
    assert settings["workload"] == "mine"
    assert settings["workload_sha256"] == hashlib.sha256(MINE.encode()).hexdigest()


def test_run_names_what_is_wrong_with_the_file(tmp_path: Path, file: Path) -> None:
    file.write_text("def calculate(item): return item\n")
    done = hpc(tmp_path / "home", "run", "--size", "5", "--workload", str(file))
    assert done.returncode == 2
    assert "must define either compute or compute_batch, it defines neither" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_does_not_use_a_server_that_has_another_file(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "home"))
    arguments = ("run", "--size", "3", "--workload", str(file), "--params", '{"by": 1}')

    def refusal(overlay: Path | None) -> subprocess.CompletedProcess[str]:
        environment = {OVERLAY: str(overlay)} if overlay else {}
        with LocalServer(tmp_path / "home", assembly().resolve(), environment=environment):
            return call(capsys, *arguments)

    other = tmp_path / "other-0123"
    other.mkdir()
    for overlay, has in ((None, "no workload file"), (other, "the workload file other-0123")):
        done = refusal(overlay)
        assert done.returncode == 2
        assert f"that runs now has {has}, wanted the workload file mine-" in done.stderr


def test_run_uses_a_server_that_has_the_file(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "home"))
    digest = hashlib.sha256(MINE.encode()).hexdigest()
    overlay = (tmp_path / "home/workloads" / f"mine-{digest}").resolve()
    with LocalServer(tmp_path / "home", assembly().resolve(), environment={OVERLAY: str(overlay)}):
        arguments = ("run", "--size", "3", "--workload", str(file), "--params", '{"by": 1}', "--output", "json")
        done = call(capsys, *arguments)
        assert json.loads(result_of(done)["output"]["result"]) == [0, 0, 1]
        # Workloads of the project run there as well.
        done = call(capsys, "run", "--size", "3", "--workload", "squares", "--output", "json")
        assert result_of(done)["output"]["total_sum"] == "5"
