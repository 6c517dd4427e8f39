"""The environment of a handler: Lambda's variables and context, its own code, and nothing of the user's."""

import http.client
import json
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lambda_workers import BASE_ENVIRONMENT, Workers, lambda_workers
from sfn_local.lambda_runtime.function import Function
from states_endpoint import wait_until

REPORT = """
import os, sys, random, time
from pathlib import Path

def handler(event, context):
    print("a line of", context.function_name)
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "path": sys.path,
        "hour": time.localtime(0).tm_hour,
        "home": str(Path.home()),
        "random": random.random(),
        "process": os.getpid(),
        "context": {
            "request_id": context.aws_request_id,
            "function_name": context.function_name,
            "arn": context.invoked_function_arn,
            "memory": context.memory_limit_in_mb,
            "remaining_ms": context.get_remaining_time_in_millis(),
        },
    }
"""


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "PYTHONSTARTUP", "HTTP_PROXY", "SOME_SECRET"):
            patch.setenv(name, "the user's own")
        with lambda_workers(tmp_path_factory.mktemp("lambda")) as workers:
            yield workers


def test_environment_is_lambdas_and_the_functions_and_nothing_else(workers: Workers) -> None:
    own = {"RESULTS_BUCKET": "results", "AWS_CONFIG_FILE": "/home/user/.aws/config", "TZ": "Asia/Tokyo"}
    arn = workers.register("reporter", REPORT, environment=own, memory_mib=1769)
    environment = workers.invoke(arn)["environment"]
    known = {
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.14",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "AWS_LAMBDA_FUNCTION_NAME": "reporter",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_REGION": "eu-west-1",
        "LAMBDA_TASK_ROOT": str(workers.folder / "reporter"),
        "RESULTS_BUCKET": "results",
        "TZ": "UTC",  # reserved: the function can't set it
        "_HANDLER": "app.handler",
        **BASE_ENVIRONMENT,  # also over the function's own variables
    }
    assert {name: environment.get(name) for name in known} == known
    assert "the user's own" not in environment.values()
    others = {name for name in environment if name not in known and not name.startswith("AWS_LAMBDA_")}
    assert others <= {"HOME", "LANG", "PATH", "no_proxy", "_X_AMZN_TRACE_ID", "LC_CTYPE"}


def test_handler_runs_in_its_code_folder_in_universal_time(workers: Workers) -> None:
    report = workers.invoke(workers.register("reporter", REPORT))
    folder = str(workers.folder / "reporter")
    assert report["folder"] == folder
    assert report["path"][0] == folder
    assert report["hour"] == 0
    assert report["home"] != os.path.expanduser("~")  # noqa: PTH111 - what the user's shell means by it


def test_context_names_the_invocation_and_its_remaining_time(workers: Workers) -> None:
    arn = workers.register("reporter", REPORT, timeout_seconds=77)
    first, second = workers.invoke(arn)["context"], workers.invoke(arn)["context"]
    assert first["request_id"] != second["request_id"]
    assert (first["function_name"], first["arn"], first["memory"]) == ("reporter", arn, "128")
    assert 70_000 < first["remaining_ms"] <= 77_000


def test_random_numbers_differ_between_workers_of_one_parent(workers: Workers) -> None:
    pids, numbers = set(), set()
    for name in ("one", "two"):
        report = workers.invoke(workers.register(name, REPORT))
        pids.add(report["process"])
        numbers.add(report["random"])
    assert len(pids) == len(numbers) == 2


def test_output_is_appended_to_the_log_of_the_function_which_is_the_users_alone(workers: Workers) -> None:
    source = 'import sys\nprint("import")\ndef handler(event, context):\n    print(event, file=sys.stderr)\n'
    arn = workers.register("talker", source)
    for word in ("eins", "zwei ✓"):
        workers.invoke(arn, word)
    assert workers.log("talker").splitlines() == ["import", "eins", "zwei ✓"]
    assert stat.S_IMODE((workers.folder / "log" / "talker.log").stat().st_mode) == 0o600


def test_exception_is_written_to_the_log(workers: Workers) -> None:
    workers.failure(workers.register("thrower", "def handler(event, context):\n    return 1 // 0\n"))
    assert "[ERROR] ZeroDivisionError: integer division or modulo by zero" in workers.log("thrower")


def test_handler_imports_its_own_package_and_not_the_project_that_runs_it(workers: Workers) -> None:
    source = """
import importlib
def found(name):
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None
def handler(event, context):
    return [name for name in event if found(name)]
"""
    arn = workers.register("importer", source)
    package = workers.folder / "importer" / "lambdas"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "own.py").write_text("")
    names = ["lambdas.own", "lambdas.compute", "sfn_local.server", "hpc.errors", "hpc_stack.config", "boto3"]
    assert workers.invoke(arn, names) == ["lambdas.own", "boto3"]


def test_imported_code_leaves_no_cache_in_the_code_folder(workers: Workers) -> None:
    workers.invoke(workers.register("clean", "def handler(event, context):\n    return 1\n"))
    assert [path.name for path in (workers.folder / "clean").iterdir()] == ["app.py"]


def test_boto3_client_of_a_handler_has_the_credentials_and_endpoint_of_its_environment(workers: Workers) -> None:
    source = """
import boto3
S3 = boto3.client("s3")
def handler(event, context):
    credentials = S3._request_signer._credentials
    return [credentials.access_key, credentials.token, S3.meta.endpoint_url, S3.meta.region_name]
"""
    settings = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    arn = workers.register("storing", source, environment=settings)
    assert workers.invoke(arn) == ["local", None, "http://127.0.0.1:9", "eu-west-1"]


def test_replaced_function_runs_its_new_code(workers: Workers) -> None:
    for version in (1, 2, 3):
        arn = workers.register("changing", f"def handler(event, context):\n    return {version}\n")
        assert workers.invoke(arn) == version


def test_function_replaced_while_it_runs_ends_there_and_its_worker_is_not_used_again(
    workers: Workers, tmp_path: Path
) -> None:
    old = """
import pathlib, time

def handler(event, context):
    pathlib.Path(event, "began").touch()
    while not pathlib.Path(event, "replaced").exists():
        time.sleep(0.01)
    return "old"
"""
    running = workers.start(workers.register("changing", old), str(tmp_path))
    wait_until((tmp_path / "began").exists)
    new = workers.register("changing", "def handler(event, context):\n    return 'new'\n")
    assert workers.invoke(new) == "new"
    (tmp_path / "replaced").touch()
    assert json.loads(running.result(timeout=30)) == "old"
    assert [workers.invoke(new) for _ in range(3)] == ["new"] * 3


@pytest.mark.parametrize("path", ["", "guess/", "guess/../"])
def test_runtime_api_refuses_who_does_not_know_a_token(workers: Workers, path: str) -> None:
    arn = workers.register("reporter", REPORT)
    host, _, token = workers.invoke(arn)["environment"]["AWS_LAMBDA_RUNTIME_API"].partition("/")
    assert len(token) >= 32
    connection = http.client.HTTPConnection(host)
    for method, operation in (("GET", "invocation/next"), ("POST", "init/error"), ("POST", "invocation/1/response")):
        connection.request(method, f"/{path}2018-06-01/runtime/{operation}", b"{}" if method == "POST" else None)
        response = connection.getresponse()
        assert (response.status, b"token" in response.read()) == (403, True)
    connection.close()


def test_worker_cannot_answer_the_invocation_of_another_one(workers: Workers) -> None:
    source = """
import http.client, os
def handler(event, context):
    host, _, token = os.environ["AWS_LAMBDA_RUNTIME_API"].partition("/")
    connection = http.client.HTTPConnection(host)
    status = []
    for operation in ("invocation/another/response", "invocation/another/error", "nonsense"):
        connection.request("POST", f"/{token}/2018-06-01/runtime/{operation}", b"{}")
        response = connection.getresponse()
        response.read()
        status.append(response.status)
    connection.request("GET", f"/{token}/2018-06-01/runtime/invocation/next")
    return [*status, connection.getresponse().status]
"""
    assert workers.invoke(workers.register("curious", source)) == [400, 400, 404, 403]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timeout_seconds": 0}, "timeout_seconds of f must be more than 0, got 0"),
        ({"code": "absent"}, "code of f must be a folder, got "),
    ],
)
def test_function_with_impossible_settings_is_refused(
    workers: Workers, change: dict[str, object], message: str
) -> None:
    settings: dict[str, object] = {"timeout_seconds": 1, "code": workers.folder}
    if "code" in change:
        change = {"code": workers.folder / "absent"}
    with pytest.raises(ValueError, match=message):
        Function(name="f", arn="a", handler="h", memory_mib=1, environment={}, runtime="r", **(settings | change))  # type: ignore[arg-type]  # they are wrong on purpose


def test_python_of_the_workers_is_this_one(workers: Workers) -> None:
    arn = workers.register("version", "import sys\ndef handler(event, context):\n    return list(sys.version_info)\n")
    assert workers.invoke(arn) == list(sys.version_info)


def test_deadline_counts_from_the_moment_a_worker_takes_the_invocation(workers: Workers) -> None:
    source = """
import time
def handler(event, context):
    return time.time() + context.get_remaining_time_in_millis() / 1000
"""
    arn = workers.register("deadline", source, timeout_seconds=50)
    before = time.time()
    deadline = workers.invoke(arn)
    assert before + 50 - 0.01 <= deadline <= time.time() + 50 + 0.01
