"""`hpc.targets.synthesis`: one synthesis for the same sources, none that is half done, none that sees credentials."""

import json
import os
import threading
from pathlib import Path

import pytest

from hpc.errors import NotStartedError
from hpc.targets import synthesis

# Stands for the project's app.py: writes an assembly, and beside it what its environment was.
APP = """
import os, pathlib
out = pathlib.Path(os.environ["CDK_OUTDIR"])
out.mkdir(parents=True)
(out / "manifest.json").write_text("{}")
(out / "environment").write_text("\\n".join(f"{name}={value}" for name, value in os.environ.items()))
with open("count", "a") as count:
    count.write("x")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    for name, content in {
        "app.py": APP,
        "cdk.json": "{}",
        "hpc_stack/stack.py": "a = 1",
        "lambdas/sum.py": "b = 2",
        "lambdas/workloads/table.csv": "1,2",
        "README.md": "text",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def synthesized_count(project: Path) -> int:
    return len((project / "count").read_text())


def test_find_assembly_synthesizes_once_for_the_same_sources(project: Path, tmp_path: Path) -> None:
    first = synthesis.find_assembly(project, tmp_path / "home")
    assert synthesis.find_assembly(project, tmp_path / "home") == first
    assert (first / "manifest.json").is_file()
    assert synthesized_count(project) == 1


@pytest.mark.parametrize(
    "name", ["app.py", "cdk.json", "hpc_stack/stack.py", "lambdas/sum.py", "lambdas/workloads/table.csv"]
)
def test_digest_changes_with_every_source(project: Path, name: str) -> None:
    before = synthesis.digest(project)
    with (project / name).open("a") as file:
        file.write(" ")
    assert synthesis.digest(project) != before


def test_digest_changes_when_a_file_is_renamed_or_split(project: Path) -> None:
    digests = {synthesis.digest(project)}
    (project / "lambdas/sum.py").rename(project / "lambdas/total.py")
    digests.add(synthesis.digest(project))
    (project / "lambdas/total.py").write_text("b =")
    (project / "lambdas/total2.py").write_text(" 2")
    digests.add(synthesis.digest(project))
    assert len(digests) == 3


def test_digest_ignores_bytecode_and_other_files(project: Path) -> None:
    before = synthesis.digest(project)
    for name in ("lambdas/__pycache__/sum.cpython-311.pyc", "README.md", ".venv/lib/a.py", "hpc/cli/main.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("other")
    assert synthesis.digest(project) == before


def test_find_assembly_hides_the_credentials_of_the_caller(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "CDK_CONTEXT_JSON"):
        monkeypatch.setenv(name, "poison")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "poison"))
    assembly = synthesis.find_assembly(project, tmp_path / "home")
    text = (assembly / "environment").read_text()
    seen = dict(line.split("=", 1) for line in text.splitlines() if line.startswith(("AWS_", "CDK_")))
    assert "poison" not in text
    assert seen["CDK_CONTEXT_JSON"] == '{"hpc:packages_layer": false, "hpc:policies": []}'
    assert set(seen) == {
        "AWS_CONFIG_FILE",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_SHARED_CREDENTIALS_FILE",
        "CDK_CONTEXT_JSON",
        "CDK_OUTDIR",
    }


def test_find_assembly_fails_with_the_last_lines_of_app_py(project: Path, tmp_path: Path) -> None:
    (project / "app.py").write_text("print('\\n' * 50)\nraise SystemExit('hpc:max_concurrency must be 1 to 10,000')")
    with pytest.raises(NotStartedError) as caught:
        synthesis.find_assembly(project, tmp_path / "home")
    lines = str(caught.value).splitlines()
    assert lines[0] == "synthesis failed: app.py exited with 1"
    assert lines[-1] == "hpc:max_concurrency must be 1 to 10,000"
    assert len(lines) <= synthesis.SHOWN_LINES + 1
    assert list((tmp_path / "home/cdk.out").iterdir()) == []


def test_warnings_of_the_app_are_said_once_each(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [
        {"type": "aws:cdk:warning", "data": "two Pythons [ack: hpc:python]"},
        {"type": "aws:cdk:path", "data": 1},
    ]
    metadata = json.dumps({f"/Stack/{name}": entries for name in "abc"})
    with (project / "app.py").open("a") as app:
        app.write(f"(out / 'Stack.metadata.json').write_text({metadata!r})\n")
    for _ in range(2):
        synthesis.find_assembly(project, tmp_path / "home")
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if "Python" in line] == ["warning: two Pythons"]


def test_find_assembly_fails_when_there_is_no_app(tmp_path: Path) -> None:
    with pytest.raises(NotStartedError, match=r"no app.py in"):
        synthesis.find_assembly(tmp_path, tmp_path / "home")


def test_find_assembly_synthesizes_again_when_sources_change_meanwhile(project: Path, tmp_path: Path) -> None:
    edit = "if not pathlib.Path('lambdas/new.py').exists(): pathlib.Path('lambdas/new.py').write_text('')\n"
    (project / "app.py").write_text(APP + edit)
    assembly = synthesis.find_assembly(project, tmp_path / "home")
    assert assembly.name == synthesis.digest(project)
    assert synthesized_count(project) == 2


def test_find_assembly_fails_when_sources_never_stay_the_same(project: Path, tmp_path: Path) -> None:
    (project / "app.py").write_text(APP + "pathlib.Path(f'lambdas/{os.getpid()}').write_text('')\n")
    with pytest.raises(NotStartedError, match="changed while they were synthesized"):
        synthesis.find_assembly(project, tmp_path / "home")


def test_find_assembly_gives_concurrent_callers_the_same_whole_assembly(project: Path, tmp_path: Path) -> None:
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(synthesis.find_assembly(project, tmp_path / "home")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert sorted(path.name for path in found[0].iterdir()) == ["environment", "manifest.json"]
    assert list((tmp_path / "home/cdk.out").iterdir()) == [found[0]]


def test_find_assembly_keeps_the_newest_and_the_one_in_use(project: Path, tmp_path: Path) -> None:
    cache = tmp_path / "home/cdk.out"
    for age, name in enumerate(["a", "b", "c", "in_use", "d"], start=1):
        (cache / name).mkdir(parents=True)
        os.utime(cache / name, (1_000_000 - age, 1_000_000 - age))
    (cache / "killed.tmp").mkdir()
    os.utime(cache / "killed.tmp", (1_000_000, 1_000_000))
    (cache / "alive.tmp").mkdir()
    assembly = synthesis.find_assembly(project, tmp_path / "home", in_use=cache / "in_use")
    assert {path.name for path in cache.iterdir()} == {assembly.name, "a", "b", "in_use", "alive.tmp"}
