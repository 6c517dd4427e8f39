"""`hpc.targets`: the local client reads nothing of the user's; on AWS each fault has its remedy."""

from pathlib import Path

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from hpc.cli.main import main
from hpc.errors import CommandError, ExitCode, LostRunError, NotStartedError, UnansweredError
from hpc.targets.client import LOCAL_PACE, Target, explained, local_config, local_session
from hpc.targets.home import Home

ARN = "arn:aws:states:us-east-1:000000000000:stateMachine:MapReduce"


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Leave every way in which AWS settings reach boto3 broken or dangerous."""
    (tmp_path / ".aws").mkdir()
    for name in ("config", "credentials"):
        (tmp_path / ".aws" / name).write_text("this is [not a config file")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in {
        "AWS_PROFILE": "no-such-profile",
        "AWS_CONFIG_FILE": str(tmp_path / ".aws/config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / ".aws/credentials"),
        "AWS_ACCESS_KEY_ID": "AKIAREALKEY",
        "AWS_SECRET_ACCESS_KEY": "real",
        "AWS_SESSION_TOKEN": "real",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "https://example.com",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_USE_DUALSTACK_ENDPOINT": "true",
        "AWS_MAX_ATTEMPTS": "many",
        "HTTP_PROXY": "http://proxy.example.com:3128",
        "http_proxy": "http://proxy.example.com:3128",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_PROXY", raising=False)


def local_target() -> Target:
    session = local_session(region="us-east-1", access_key_id="local", secret_access_key="secret")
    return Target(session, local_config(), "http://127.0.0.1:9", ARN, "bucket", LOCAL_PACE, is_local=True)


@pytest.mark.usefixtures("poisoned")
def test_local_clients_use_nothing_of_the_users_settings() -> None:
    target = local_target()
    for client in (target.stepfunctions, target.s3):
        assert client.meta.endpoint_url == "http://127.0.0.1:9"
        assert client.meta.region_name == "us-east-1"
        assert client._endpoint.http_session._proxy_config.proxy_url_for("http://127.0.0.1:9") is None
        frozen = client._request_signer._credentials.get_frozen_credentials()
        assert (frozen.access_key, frozen.secret_key, frozen.token) == ("local", "secret", None)


def test_execution_arn_is_the_one_that_the_service_makes() -> None:
    assert local_target().execution_arn("run-1") == ARN.replace("stateMachine", "execution") + ":run-1"


def test_explained_names_the_service_error() -> None:
    refusal = ClientError({"Error": {"Code": "InvalidExecutionInput", "Message": "too long"}}, "StartExecution")
    with (
        pytest.raises(NotStartedError, match="not started: InvalidExecutionInput: too long"),
        explained(NotStartedError, "not started"),
    ):
        raise refusal


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:9"), "nothing answers: .*127"),
        (ConnectionClosedError(endpoint_url="http://127.0.0.1:9"), "nothing answers: .*127"),
        (ReadTimeoutError(endpoint_url="http://127.0.0.1:9"), "nothing answers: .*127"),
        (
            ClientError(
                {"Error": {"Code": "InternalFailure"}, "ResponseMetadata": {"HTTPStatusCode": 500}}, "StartExecution"
            ),
            "InternalFailure",
        ),
    ],
)
@pytest.mark.parametrize("kind", [LostRunError, NotStartedError])
def test_explained_tells_a_server_that_is_gone_from_one_that_refuses(
    fault: Exception, message: str, kind: type[CommandError]
) -> None:
    with pytest.raises(UnansweredError, match=message) as caught, explained(kind):
        raise fault
    assert caught.value.exit_code == kind.exit_code


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"AWS_PROFILE": "no-such-profile"}, "unset AWS_PROFILE"),
        ({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}, "no AWS region: set AWS_REGION"),
        ({"AWS_DEFAULT_REGION": "us-east-1"}, "no AWS credentials: set AWS_PROFILE"),
        ({"AWS_REGION": "us-east-1"}, "no AWS credentials: set AWS_PROFILE"),
    ],
)
@pytest.mark.parametrize("command", [["run", "--size", "3"], ["stop", "run-1"]])
def test_aws_commands_name_the_missing_setting(
    environment: dict[str, str],
    message: str,
    command: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    isolated = {
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "HPC_HOME": str(tmp_path),
    }
    for name, value in (isolated | environment).items():
        monkeypatch.setenv(name, value)
    assert main([*command, "--aws", "--stack-name", "HpcStack"]) == ExitCode.NOT_STARTED
    captured = capsys.readouterr()
    assert message in captured.err
    assert len(captured.err.splitlines()) == 1
    assert captured.out == ""


def test_default_stack_name_is_the_context_of_cdk_json(tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path / ".hpc")
    (tmp_path / "cdk.json").write_text('{"context": {"hpc:stack_name": "Mine"}}')
    assert home.default_stack_name() == "Mine"
    (tmp_path / "cdk.json").write_text('{"app": "python app.py"}')
    assert home.default_stack_name() == "HpcStack"


def test_default_stack_name_fails_when_cdk_json_is_broken(tmp_path: Path) -> None:
    (tmp_path / "cdk.json").write_text("{")
    with pytest.raises(NotStartedError, match="--stack-name is needed"):
        Home(tmp_path, tmp_path / ".hpc").default_stack_name()


def test_home_is_the_folder_that_hpc_home_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "mine"))
    home = Home.from_environment()
    assert home.create() == tmp_path / "mine"
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o700
    monkeypatch.delenv("HPC_HOME")
    assert Home.from_environment().folder == Path(__file__).parents[3] / ".hpc"


def test_home_fails_when_it_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="HPC_HOME must be a folder that can be written to"):
        Home(tmp_path, tmp_path / "file").create()
