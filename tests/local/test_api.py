"""`import hpc`: functions and files through the synthesized machine, as values."""

import datetime
import functools
import json
import operator
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aws_commands import deployed
from hpc_commands import assembly

import hpc
from hpc.api.places import find_place
from hpc.errors import NotStartedError, RunFailedError

BASE = 10


def scaled(item: int) -> Any:
    return np.full((2, 2), item + BASE, "<i2")


def pair(item: int) -> Any:
    return (item, np.float32(item) / 2, b"x" * item)


def added(a: Any, b: Any) -> Any:
    return a + b


def three_fails(item: int) -> int:
    if item == 3:
        raise ValueError("not three")
    return item


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose server is this test's process's."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "HPC_"))]:
            patch.delenv(name)
        patch.setenv("HPC_HOME", str(folder))
        yield folder
        place = find_place(assembly=assembly())
        assert hasattr(place, "close")
        place.close()


def test_map_gives_what_the_functions_returned() -> None:
    run = hpc.map(scaled, size=3, combine=added, assembly=assembly())
    assert run.result.dtype == np.dtype("<i2")
    assert (run.result == np.full((2, 2), 33)).all()
    assert run.status == "SUCCEEDED"
    assert run.progress().done == 3
    assert run.cost >= 0


def test_results_keep_their_types_without_combine() -> None:
    run = hpc.map(pair, items=(item for item in [0, 2]), assembly=assembly())
    expected = [(0, np.float32(0), b""), (2, np.float32(1), b"xx")]
    assert run.result == expected
    assert [(each.index, each.item, each.result) for each in run.results()] == [
        (0, 0, expected[0]),
        (1, 2, expected[1]),
    ]
    assert {type(each) for each in run.result[1]} == {int, np.float32, bytes}


def test_failure_is_an_exception_with_the_remote_traceback() -> None:
    run = hpc.start(three_fails, size=5, assembly=assembly())
    with pytest.raises(RunFailedError, match="item 3: ValueError: not three") as caught:
        _ = run.result
    assert (caught.value.error_type, caught.value.index) == ("ValueError", 3)
    assert 'raise ValueError("not three")' in caught.value.traceback
    assert [each.index for each in run.failures()] == [3]
    assert hpc.get(assembly=assembly()).name == run.name
    assert run.name in [each.name for each in hpc.runs(assembly=assembly())]


def test_tolerated_failure_is_mended_by_a_redrive(tmp_path: Path) -> None:
    file = tmp_path / "mended.py"
    file.write_text("def compute(item):\n    if item == 1: raise KeyError(item)\n    return item\n")
    run = hpc.start(str(file), size=3, tolerated_failure_percentage=50, assembly=assembly())
    assert run.result == [0, None, 2]
    file.write_text("def compute(item):\n    return item * 10\n")
    assert run.redrive(str(file)).result == [0, 10, 2]


def test_function_that_was_mended_computes_what_has_no_result() -> None:
    def tenth(item: int) -> int:
        return 10 // (item - 1)

    run = hpc.map(tenth, size=3, combine=operator.add, batch_size=1, assembly=assembly())
    assert run.wait().status == "FAILED"

    def other(item: int) -> int:
        return item

    for function, combine, message in [
        (other, None, "^workload must be the workload that run-.* brought, tenth, .* got the function other$"),
        (None, operator.add, "^combine and finish go with a function"),
    ]:
        with pytest.raises(NotStartedError, match=message):
            run.redrive(function, combine=combine)

    def tenth(item: int) -> int:  # type: ignore[no-redef]
        return 10 // (item - 1) if item != 1 else 100

    mended = run.redrive(tenth, combine=operator.add)
    assert mended.result == -10 + 100 + 10
    bundled = hpc.start("squares", size=2, assembly=assembly()).wait()
    with pytest.raises(NotStartedError, match=r"^workload must be the workload of .*, squares, which it did not bring"):
        bundled.redrive(tenth)


def test_items_without_a_result_are_computed_in_other_batches(tmp_path: Path) -> None:
    file = tmp_path / "mended_too.py"
    file.write_text("def compute(item):\n    if item > 2: raise KeyError(item)\n    return item\n")
    run = hpc.start(file, size=6, batch_size=3, tolerated_failure_percentage=50, assembly=assembly())
    assert run.result == [0, 1, 2, None, None, None]
    file.write_text("def compute(item):\n    return item * 10\n")
    for options, message in [
        ({"batch_size": 0}, "batch_size must be an integer from 1"),
        ({"back_end": "cloud"}, "back_end must be one of lambda"),
        ({"only_finish": True, "batch_size": 2}, "only_finish computes no item: leave out back_end and batch_size"),
    ]:
        with pytest.raises(NotStartedError, match=message):
            run.redrive(file, **options)  # type: ignore[arg-type]
    mended = run.redrive(file, batch_size=1)
    assert (mended.result, mended.progress().batches) == ([0, 1, 2, 30, 40, 50], 3)


def test_results_are_saved_in_every_form(tmp_path: Path) -> None:
    run = hpc.map(three_fails, size=3, assembly=assembly())
    assert run.save(tmp_path / "out.csv").read_text().split() == ["index,item,result", "0,0,0", "1,1,1", "2,2,2"]
    lines = run.save(tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line)["result"] for line in lines] == [0, 1, 2]
    assert np.load(run.save(tmp_path / "out.npy")).tolist() == [0, 1, 2]
    with pytest.raises(NotStartedError, match="is there"):
        run.save(tmp_path / "out.csv")
    assert run.save(tmp_path / "out.csv", overwrite=True).read_text().startswith("index,")
    with pytest.raises(NotStartedError, match=r"ends in \.jsonl, \.csv, \.parquet, \.npy"):
        run.save(tmp_path / "out.xls")
    assert run.report(tmp_path / "report.html").read_text().startswith("<!")


def test_plan_measures_a_function_and_a_lambda() -> None:
    offset = 3
    for function in (three_fails, lambda item: item + offset):
        made = hpc.plan(function, size=3, sample=2, assembly=assembly())
        assert made["recommended"]["usd"]["expected"] > 0
    with pytest.raises(NotStartedError, match="exactly one of seconds and sample"):
        hpc.plan(three_fails, size=3)


def test_logs_of_an_item_are_those_of_its_batch() -> None:
    def speaks(item: int) -> int:
        print(f"item {item} speaks")
        return item

    run = hpc.map(speaks, size=4, batch_size=2, assembly=assembly()).wait()
    spoken = [line for line in run.logs(3) if "speaks" in line]
    assert [line.split("item ")[-1] for line in spoken] == ["2 speaks", "3 speaks"]
    assert sum("speaks" in line for line in run.logs()) == 4


def test_failures_and_logs_of_a_run_that_was_started_just_now_wait_for_its_batches(tmp_path: Path) -> None:
    gate = tmp_path / "gate"

    def waits(item: int) -> int:
        import pathlib
        import time

        while item == 0 and not pathlib.Path(path).exists():
            time.sleep(0.01)
        print(f"item {item} passed")
        return item

    path = str(gate)
    run = hpc.start(waits, size=3, batch_size=1, max_concurrency=1, assembly=assembly())
    assert list(run.failures()) == []
    with pytest.raises(NotStartedError, match=r"tells of batch 2, which has item 2: run-\S+ is RUNNING, and has not"):
        list(run.logs(2))
    with pytest.raises(NotStartedError, match="INDEX must be an item"):
        list(run.logs(5))
    gate.touch()
    assert any("item 0 passed" in line for line in run.wait().logs(0))


def test_refusals_name_the_arguments_of_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("def compute(item): return item\n")
    for workload, message in [
        ("mine", "^workload mine is no workload of lambdas/workloads, .* give workload mine.py$"),
        ("gone.py", "^workload gone.py can't be read"),
        ("nope", "^workload must be one of"),
    ]:
        with pytest.raises(NotStartedError, match=message):
            hpc.start(workload, size=1, assembly=assembly())
    with pytest.raises(NotStartedError, match=r"^workload gone\.py can't be read"):
        hpc.plan("gone.py", size=1, sample=1)
    run = hpc.start("mine.py", size=1, assembly=assembly()).wait()
    with pytest.raises(NotStartedError, match=r"^path must be a file that can be written"):
        run.report(tmp_path / "no" / "r.html")
    with pytest.raises(NotStartedError, match=r"nothing to redrive \(only_finish runs finish again\)"):
        run.redrive()
    with pytest.raises(NotStartedError, match=r"^workload must be"):
        run.redrive("squares")


def test_folder_with_modules_and_data_is_a_workload(tmp_path: Path) -> None:
    folder = tmp_path / "grid"
    folder.mkdir()
    (folder / "workload.py").write_text(
        "from pathlib import Path\nimport beside\nN = int((Path(__file__).parent / 'n.txt').read_text())\n"
        "def compute(item): return item * beside.FACTOR + N\n"
    )
    (folder / "beside.py").write_text("FACTOR = 10\n")
    (folder / "n.txt").write_text("1")
    assert hpc.start(folder, size=3, assembly=assembly()).result == [1, 11, 21]


def test_function_runs_on_aws_without_a_deployment(tmp_path: Path) -> None:
    with deployed(tmp_path, assembly()) as stack, pytest.MonkeyPatch.context() as patch:
        stack.set_up(patch)
        assert hpc.map(scaled, size=2, combine=added, aws=True).result.tolist() == [[21, 21], [21, 21]]
        file = tmp_path / "mine.py"
        file.write_text("import beside\ndef compute(item): return beside.twice(item)\n")
        (tmp_path / "beside.py").write_text("def twice(x): return 2 * x\n")
        done = stack("run", "--size", "3", "--workload", str(file), "--output", "json")
        assert json.loads(json.loads(done.stdout)["output"]["result"]) == [0, 2, 4]


def test_threads_share_the_server() -> None:
    results: dict[int, Any] = {}

    def compute(size: int) -> None:
        results[size] = hpc.map(three_fails, size=size, assembly=assembly()).result

    threads = [threading.Thread(target=compute, args=(size,)) for size in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {1: [0], 2: [0, 1], 3: [0, 1, 2]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": -1}, "size must be an integer from 0"),
        ({"size": 1, "items": [1]}, "exactly one of size, items and source"),
        ({"items": [(1, 2)]}, r"item 0 can't travel: JSON has no tuple, got \(1, 2\): make it list"),
        ({"items": [float("nan")]}, "item 0 can't travel"),
        ({"size": 1, "back_end": "cloud"}, "back_end must be one of lambda"),
        ({"size": 1, "params": {"a": object()}}, "params must be JSON"),
        ({"size": 1, "name": "latest"}, "name must be 3 to 80"),
        ({"items": "a.xls"}, "items must be a file that ends in"),
        ({"items": 3}, "items must be an iterable, a frame or a file"),
        ({"items": [datetime.date(2026, 1, 1)]}, r"make it item\.isoformat\(\)"),
        ({"size": True}, "size must be an integer"),
        ({"size": 1, "tolerated_failure_percentage": True}, "must be a number from 0 to 100"),
        ({"size": 1, "params": [1]}, "params must be a dict, got list"),
        ({"size": 1, "params": {1: 2}}, "keys of a dict must be text, got 1"),
        ({"size": 1, "params": {"a": (1, 2)}}, "JSON has no tuple"),
        ({"size": 1, "combine": lambda a: a}, r"combine of workload three_fails must take 2 positional"),
    ],
)
def test_what_is_not_allowed_is_refused_before_anything_starts(options: dict[str, Any], message: str) -> None:
    with pytest.raises(NotStartedError, match=message):
        hpc.start(three_fails, assembly=assembly(), **options)


def test_what_is_no_workload_is_refused_by_name(tmp_path: Path) -> None:
    def yields(item: int) -> Iterator[int]:
        yield item

    async def later(item: int) -> int:
        return item

    for workload, message in [
        (3, "workload must be a function, a name or a path, got int"),
        (None, "workload must be a function, a name or a path, got NoneType"),
        (yields, "compute of workload yields must return one value"),
        (later, "must be a plain function, got one that is async"),
        (lambda: 1, "must take 1 positional"),
        (lambda a, b: a, "names the argument b"),
        ("nope", "must be one of"),
        (tmp_path, "must be a folder with"),
    ]:
        with pytest.raises(NotStartedError, match=message):
            hpc.map(workload, size=1, assembly=assembly())  # type: ignore[arg-type]
    with pytest.raises(NotStartedError, match="limit must be an integer"):
        hpc.runs(limit=-1)
    with pytest.raises(NotStartedError, match="run must be a name"):
        hpc.get(3)  # type: ignore[arg-type]
    with pytest.raises(NotStartedError, match=r"plan: argument size: must be 0 to"):
        hpc.plan(size=-1, seconds=1)


@pytest.mark.parametrize("end", ["", "os._exit(0)", "raise SystemExit(0)", "os.kill(os.getpid(), 9)"])
def test_the_end_of_the_program_leaves_no_process(tmp_path: Path, end: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import hpc, os, sys, time\n"
        "def area(item): return item\n"
        "def slow(item): time.sleep(600)\n"
        f"assert hpc.map(area, size=2, assembly={str(assembly())!r}).result == [0, 1]\n"
        f"hpc.start(slow, size=1, assembly={str(assembly())!r})\n"
        f"{end}\n"
    )
    environment = {**os.environ, "HPC_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert "Traceback" not in done.stderr, done.stderr
    # Whoever serves a home holds its lock: this waits for the end.
    waited = subprocess.run(["flock", str(tmp_path / "home" / "server.lock"), "true"], timeout=60, check=False)
    assert waited.returncode == 0


def test_every_kind_of_function_is_computed() -> None:
    class Scaled:
        def __init__(self, by: int) -> None:
            self.by = by

        def __call__(self, item: int) -> int:
            return item * self.by

        def method(self, item: int) -> int:
            return item + self.by

    namespace: dict[str, Any] = {}
    exec("def made(item): return item + 7", namespace)
    for function, expected in [
        (Scaled(3), [0, 3, 6]),
        (Scaled(3).method, [3, 4, 5]),
        (functools.partial(max, 1), [1, 1, 2]),
        (str, ["0", "1", "2"]),
        (namespace["made"], [7, 8, 9]),
    ]:
        assert hpc.map(function, size=np.int64(3), assembly=assembly()).result == expected
    assert hpc.map(three_fails, size=3, combine=max, assembly=assembly()).result == 2


def test_short_items_share_batches_on_this_machine() -> None:
    most = 16 * (os.cpu_count() or 1)
    run = hpc.map(abs, size=10 * most + 1, combine=operator.add, assembly=assembly())
    assert run.result == sum(range(10 * most + 1))
    assert run.progress().batches <= most
    few = hpc.map(abs, items=[-1, -2], assembly=assembly())
    assert (few.result, few.progress().batches) == ([1, 2], 2)
    given = hpc.map(abs, size=4, batch_size=3, assembly=assembly())
    assert (given.result, given.progress().batches) == ([0, 1, 2, 3], 2)


def test_result_that_looks_like_a_tag_is_itself_among_others() -> None:
    def looks(item: int) -> Any:
        return [{"$npy": "x"}, b"y", {"$tuple": [1]}][item]

    assert hpc.map(looks, size=3, assembly=assembly()).result == [{"$npy": "x"}, b"y", {"$tuple": [1]}]


def test_file_that_starts_its_own_runs_is_a_workload(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(
        "import hpc\nfrom hpc.errors import RunFailedError\n"
        "def compute(item):\n"
        "    if item == 2: hpc.map(compute, size=1)\n"
        "    return item\n"
        "if __name__ == '__main__': hpc.map(compute, size=2)\n"
    )
    assert hpc.map(file, size=2, assembly=assembly()).result == [0, 1]
    with pytest.raises(RunFailedError, match=r"hpc\.map is for the program that starts runs"):
        _ = hpc.map(file, size=3, assembly=assembly()).result
