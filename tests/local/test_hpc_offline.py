"""Local commands ask for nothing but loopback, whatever settings of AWS and of proxies the environment has."""

import json
import urllib.request
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin

import pytest
from recorded_network import RecordedPython

from hpc.cli.main import COMMANDS

# Looks at its objects with a client of its own, and once more with what boto3 finds by itself.
READER = """\
import boto3


def compute(item):
    body = boto3.client("s3").get_object(Bucket=item["bucket"], Key=item["key"])["Body"].read()
    if b"bad" in body:
        raise ValueError("bad object")
    return len(body)


def combine(a, b):
    return a + b
"""


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which every setting of a client leads to a name that is not this machine's."""
    folder = tmp_path_factory.mktemp("poisoned")
    (folder / "config").write_text(
        "[profile poisoned]\nregion = eu-west-1\nendpoint_url = http://endpoint.invalid\n"
        "services = poisoned\n[services poisoned]\ns3 =\n  endpoint_url = http://s3.invalid\n"
    )
    (folder / "credentials").write_text(
        "[poisoned]\naws_access_key_id = AKIDPOISONED\naws_secret_access_key = poisoned\n"
    )
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"), "http://proxy.invalid:3128")
    endpoints = {
        f"AWS_ENDPOINT_URL{suffix}": "http://endpoint.invalid" for suffix in ("", "_S3", "_SFN", "_STS", "_BATCH")
    }
    return {
        **proxies,
        **endpoints,
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "HPC_HOME": str(folder / "home"),
        "AWS_ACCESS_KEY_ID": "AKIDPOISONED",
        "AWS_SECRET_ACCESS_KEY": "poisoned",
        "AWS_SESSION_TOKEN": "poisoned",
        "AWS_PROFILE": "poisoned",
        "AWS_CONFIG_FILE": str(folder / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
        "AWS_REGION": "eu-west-1",
        "AWS_CA_BUNDLE": str(folder / "no-such-bundle"),
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://metadata.invalid",
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "reader.py").write_text(READER)
    (folder / "source").mkdir()
    for name, content in (("a", "one"), ("b", "bad"), ("c", "three")):
        (folder / "source" / name).write_text(content)
    return folder


def test_local_commands_ask_for_nothing_but_loopback(
    tmp_path: Path, poisoned: dict[str, str], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recorded = RecordedPython(tmp_path)
    tried: set[str] = set()

    def hpc(code: int, *arguments: str, given: str = "") -> str:
        tried.add(arguments[0])
        done = recorded.hpc(poisoned, *arguments, given=given)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr or "bad object" in done.stderr, done.stderr
        return done.stdout

    reader = ["--workload", str(data / "reader.py")]
    source = ["--source", str(data / "source")]
    hpc(1, "run", *source, *reader)
    [failed] = [json.loads(line)["name"] for line in hpc(0, "runs", "--output", "json").splitlines()]
    hpc(1, "redrive", failed)
    hpc(0, "run", *source, *reader, "--tolerated-failure-percentage", "50", "--back-end", "batch")
    hpc(0, "run", "--size", "3", "--workload", "squares", "--faults", "throttle Compute 5%")
    hpc(0, "orchestrate", "--entries", '[{"name": "one", "size": 2}]')
    for look in ("status", "result", "failures", "logs"):
        hpc(1 if look == "result" else 0, look, *((failed,) if look != "logs" else ("--run", failed)))
    hpc(0, "logs", "1", "--run", failed)
    hpc(0, "report", failed)
    assert hpc(0, "replay", failed, "0").splitlines()[-1] == "3"
    hpc(1, "replay", failed, "1")
    hpc(0, "replay", failed, "2", "--debug", given="c\n")
    hpc(0, "plan", "--size", "10", "--seconds", "1")
    hpc(0, "plan", "--size", "4", "--sample", "2", "--workload", "squares")
    hpc(0, "new", "mine")
    hpc(0, "completion", "bash")
    with recorded.started(poisoned, "serve") as server:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("export AWS_ENDPOINT_URL=http://127.0.0.1:")
        hpc(0, "stop", failed)
    with recorded.started(poisoned, "ui", "--no-browser") as page:
        assert page.stdout is not None
        browser = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor())
        address = page.stdout.readline().strip()
        with browser.open(address) as front, browser.open(urljoin(address, "/api/runs")) as runs:
            assert front.status == runs.status == HTTPStatus.OK
            assert failed in runs.readline().decode()
    # `add` asks a registry of packages, and nothing else.
    assert {command.name for command in COMMANDS} - tried == {"add", "help", "serve", "ui"}
    assert {name for _, _, name in recorded.asked} >= {"127.0.0.1"}
    assert recorded.foreign == []
