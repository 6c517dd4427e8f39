"""Another version of a workload on AWS: a redrive goes on with what is deployed only where a person asks for it."""

from pathlib import Path

import pytest
from assemblies import copied
from aws_commands import deployed
from hpc_commands import result_of
from redriven_runs import name_of

OLD = "def compute(item):\n    return 1 // (item - 3)\n\n\ndef combine(a, b):\n    return a + b\n"


@pytest.mark.parametrize("tolerance", ["0", "50"])
def test_redrive_with_a_changed_workload_is_refused_unless_it_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], tolerance: str
) -> None:
    for folder in ("old", "new"):
        (tmp_path / folder).mkdir()
    # What is deployed first is another version of the project's file, with a fault at item 3.
    old, new = copied(tmp_path / "old", workloads={"squares.py": OLD}), copied(tmp_path / "new")
    options = ("--size", "6", "--batch-size", "1", "--workload", "squares", "--tolerated-failure-percentage", tolerance)
    with deployed(tmp_path, old) as on_aws:
        name = name_of(result_of(on_aws.call(capfd, "run", *options, "--output", "json")))
    with deployed(tmp_path, new) as on_aws:
        refused = on_aws.call(capfd, "redrive", name, "--output", "json")
        assert refused.returncode == 1
        assert "WorkloadChangedError: workload squares has changed since the run was started" in refused.stderr
        done = on_aws.call(capfd, "redrive", name, "--workload", "squares", "--output", "json")
    output = result_of(done)["output"]
    assert (done.returncode, output["complete"], output["count"], output["code_versions"]) == (0, True, 6, 2)


def test_workload_of_another_name_and_a_file_are_refused_before_anything_is_redriven(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "squares.py"
    file.write_text(OLD)
    with deployed(tmp_path, copied(tmp_path, workloads={"squares.py": OLD})) as on_aws:
        options = ("--size", "6", "--batch-size", "1", "--workload", "squares", "--output", "json")
        name = name_of(result_of(on_aws.call(capfd, "run", *options)))
        for workload, message in (
            (str(file), "on AWS this run has what was deployed"),
            ("utf8_keys", "must be the workload of"),
        ):
            done = on_aws.call(capfd, "redrive", name, "--workload", workload)
            assert (done.returncode, done.stdout) == (2, "")
            assert message in done.stderr
