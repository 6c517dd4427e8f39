"""Settings: what is read, what is refused, and that cdk.json and the documentation say the same."""

import json
import re
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthesis import ROOT, run_app

from hpc_stack.config import ConfigError, HpcConfig
from hpc_stack.setting_rules import Rule

RULES: dict[str, Rule] = {each.name: each.metadata["rule"] for each in fields(HpcConfig)}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("stack_name", ""),
        ("stack_name", "1Stack"),
        ("stack_name", "Hpc_Stack"),
        ("stack_name", "H" * 65),
        ("stack_name", "HpcStack\n"),
        ("stack_name", None),
        ("architecture", "arm"),
        ("architecture", "ARM64"),
        ("compute_memory_mib", 127),
        ("compute_memory_mib", 10_241),
        ("compute_memory_mib", "1769 "),
        ("compute_memory_mib", "1_769"),
        ("compute_memory_mib", "١٧٦٩"),
        ("compute_memory_mib", "1769.0"),
        ("compute_memory_mib", 1769.0),
        ("compute_memory_mib", "9" * 5_000),
        ("compute_timeout_seconds", 0),
        ("compute_timeout_seconds", 901),
        ("compute_timeout_seconds", "-1"),
        ("compute_timeout_seconds", True),
        ("max_concurrency", 0),
        ("max_concurrency", 10_001),
        ("max_items", 0),
        ("max_items", 2**53 + 1),
        ("run_timeout_seconds", 59),
        ("max_usd", -1),
        ("max_usd", "1e3"),
        ("max_usd", 1_000_001),
        ("max_usd", True),
        ("max_usd", float("nan")),
        ("max_usd", "0.0000001"),
        ("child_type", "express"),
        ("child_type", ["EXPRESS"]),
        ("results_expire_after_days", 14),
        ("results_expire_after_days", 3_651),
        ("retain_results", "yes"),
        ("retain_results", 1),
        ("retain_results", "True"),
        ("log_retention_days", 2),
        ("log_retention_days", "30 days"),
        ("log_retention_days", True),
        ("source_buckets", "My-Bucket"),
        ("source_buckets", "ab"),
        ("source_buckets", "a..b"),
        ("source_buckets", "data,"),
        ("source_buckets", "data,data"),
        ("source_buckets", "xn--data"),
        ("source_buckets", ["data", 1]),
        ("source_buckets", {"data": 1}),
        ("source_buckets", None),
        ("ephemeral_storage_mib", 511),
        ("ephemeral_storage_mib", 10_241),
        ("environment", "MODEL"),
        ("environment", "1MODEL=large"),
        ("environment", "A=1,A=2"),
        ("environment", {"A": 1}),
        ("environment", {"A": "a\nb"}),
        ("environment", {"A": "x" * 3_001}),
        ("environment", ["A"]),
        ("environment", None),
        *(
            ("environment", {name: "x"})
            for name in ("AWS_REGION", "RESULTS_BUCKET", "PYTHONPATH", "HPC_HOME", "Ä", "", "A", "A" * 129)
        ),
        ("source_buckets", [f"data-{number}" for number in range(101)]),
        ("policies", "AmazonDynamoDBReadOnlyAccess"),
        ("policies", "arn:aws:iam::aws:role/Reader"),
        ("policies", "arn:aws:iam::1234:policy/Reader"),
        ("policies", [f"arn:aws:iam::aws:policy/P{number}" for number in range(5)]),
        ("source_kms_keys", "alias/data"),
        ("source_kms_keys", [f"arn:aws:kms:us-east-1:111122223333:key/{number}" for number in range(101)]),
        ("source_kms_keys", "arn:aws:kms:us-east-1:111122223333:alias/data"),
        ("alarms", "on"),
        ("notify_email", "team"),
        ("notify_email", "a@b.org,c@d.org"),
        ("notify_email", None),
        *(
            ("notify_email", address)
            for address in (
                *(
                    "a@b..org",
                    ".a@b.org",
                    "a.@b.org",
                    "a..b@c.org",
                    "a@-b.org",
                    "a@b-.org",
                    "a@.org",
                    "a@b",
                    "a b@c.org",
                ),
                *("ä@b.org", "a@b.org\n", " a@b.org", "a@b@c.org", "@b.org", "a@b.o", "a@b.123", "a" * 65 + "@b.org"),
                *("a@" + "b" * 64 + ".org", "a@" + "b." * 126 + "org"),
            )
        ),
        ("source_buckets", "192.168.0.1"),
        ("source_buckets", ["data-1", "10.0.0.255"]),
        ("tags", "hpc-run=mine"),
        ("tags", "HPC-Run=mine"),
        ("tags", "aws-cdk:auto-delete-objects=false"),
        ("tags", "AWS-CDK:x=false"),
        ("tags", "Team=a,team=b"),
        ("tags", {"Stra\u00dfe": "a", "STRASSE": "b"}),
        ("tags", {" team": "a"}),
        ("tags", {"team ": "a"}),
        ("tags", {" ": "a"}),
        ("tags", {"team": " ice"}),
        ("tags", {"team": "ice "}),
        ("tags", {"team\u00a0": "a"}),
        ("tags", {"team\U0001f600": "a"}),
        ("tags", {"team": ""}),
        ("tags", "team="),
        ("tags", "team"),
        ("tags", "aws:team=ice"),
        ("tags", "team=a,team=b"),
        ("tags", {"team": 1}),
        ("tags", {"": "ice"}),
        ("tags", {"team": "a|b"}),
        ("tags", {"k" * 129: "ice"}),
        ("tags", {"team": "v" * 257}),
        ("tags", [["team", "ice", "more"]]),
        ("tags", {f"k{number}": "v" for number in range(41)}),
        ("tags", {f"k{number}": "\u00e9" * 128 for number in range(16)}),
        ("tags", None),
        ("subnet_ids", [f"subnet-{number:08x}" for number in range(17)]),
        ("batch", "yes"),
        ("batch_image", "python"),
        ("batch_image", "Team/hpc:1"),
        ("batch_image", "team/hpc@sha256:0"),
        ("batch_architecture", "arm"),
        ("batch_vcpus", 3),
        ("batch_vcpus", "1.0"),
        ("batch_vcpus", 64),
        ("batch_memory_mib", 511),
        ("batch_max_vcpus", 0),
        ("batch_timeout_seconds", 59),
        ("batch_timeout_seconds", 1_209_601),
        ("batch_run_timeout_seconds", 59),
        ("callback_heartbeat_seconds", 9),
        ("vpc_id", "vpc-1"),
        ("subnet_ids", "subnet-01234567,subnet-01234567"),
        ("subnet_ids", "vpc-01234567"),
        ("subnet_access", "Public"),
        ("orchestrator", 1),
        ("orchestrator_max_concurrency", 41),
        ("orchestrator_job_timeout_seconds", 239),
        ("orchestrator_retry_interval_seconds", 0),
    ],
)
def test_config_refuses_a_value_and_says_what_was_given_and_what_is_allowed(key: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        HpcConfig.from_context({f"hpc:{key}": value})
    assert str(caught.value) == f"hpc:{key} must be {RULES[key].allowed}; got {value!r}"


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("stack_name", "Other-Stack1", "Other-Stack1"),
        ("architecture", "x86_64", "x86_64"),
        ("compute_memory_mib", "128", 128),
        ("ephemeral_storage_mib", "10240", 10_240),
        ("environment", "MODEL=large,FORMULA=a=b", (("MODEL", "large"), ("FORMULA", "a=b"))),
        ("environment", {"MODEL": "ä, b"}, (("MODEL", "ä, b"),)),
        ("environment", "", ()),
        ("policies", "", ()),
        (
            "policies",
            "arn:aws:iam::aws:policy/service-role/AWSBatchServiceRole,arn:aws-cn:iam::123456789012:policy/P.1",
            ("arn:aws:iam::aws:policy/service-role/AWSBatchServiceRole", "arn:aws-cn:iam::123456789012:policy/P.1"),
        ),
        ("compute_timeout_seconds", "900", 900),
        ("max_items", "9007199254740992", 2**53),
        ("max_usd", "12.5", 12.5),
        ("max_usd", "0", 0),
        ("child_type", "EXPRESS", "EXPRESS"),
        ("retain_results", "true", True),
        ("retain_results", "false", False),
        ("tags", "", ()),
        ("tags", "team=ice,cost center=a=b", (("team", "ice"), ("cost center", "a=b"))),
        (
            "tags",
            {"\u043a\u043e\u043c\u0430\u043d\u0434\u0430": "\u6c37"},
            (("\u043a\u043e\u043c\u0430\u043d\u0434\u0430", "\u6c37"),),
        ),
        ("tags", {"awsome": "a", "hpc-runs": "b"}, (("awsome", "a"), ("hpc-runs", "b"))),
        ("notify_email", "o'neil+hpc@mail.ice-lab.example.org", "o'neil+hpc@mail.ice-lab.example.org"),
        ("notify_email", "a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ("source_buckets", "my.data,1.2.3.4.5", ("my.data", "1.2.3.4.5")),
        ("log_retention_days", "3653", 3_653),
        ("source_buckets", "", ()),
        ("source_buckets", "data", ("data",)),
        ("source_buckets", "data,more.data-2", ("data", "more.data-2")),
    ],
)
def test_config_reads_the_text_that_the_command_line_gives(key: str, text: str, value: Any) -> None:
    assert getattr(HpcConfig.from_context({f"hpc:{key}": text}), key) == value


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_spot": True}, "hpc:batch_spot needs hpc:batch to be true; got True without it"),
        ({"orchestrator": "true"}, "hpc:orchestrator needs hpc:batch to be true; got True without it"),
        (
            {"batch": True, "orchestrator_max_concurrency": 1},
            "hpc:orchestrator_max_concurrency needs hpc:orchestrator to be true; got 1 without it",
        ),
        (
            {"batch": True, "batch_memory_mib": 1_024},
            "hpc:batch_memory_mib must be one of 2048, 3072, 4096, 5120, 6144, 7168, 8192 with 1 vCPU; got 1024",
        ),
        (
            {"batch": True, "batch_vcpus": 8, "batch_memory_mib": 16_384},
            "hpc:batch_max_vcpus must be hpc:batch_vcpus, 8, or more; got 6",
        ),
        (
            {"batch": True, "batch_run_timeout_seconds": 14_400},
            "hpc:batch_timeout_seconds must be under hpc:batch_run_timeout_seconds, 14400; got 14400",
        ),
        (
            {"batch": True, "batch_timeout_seconds": 60, "batch_run_timeout_seconds": 3_600},
            "hpc:callback_heartbeat_seconds must be under hpc:batch_run_timeout_seconds, 3600; got 3600",
        ),
        (
            {"source_buckets": [f"data-{number:02}" for number in range(50)], "environment": {"MODEL": "m" * 2_583}},
            "hpc:source_buckets and hpc:environment must have 3000 bytes together at most: both are environment "
            "variables of Start; got 50 buckets and 2588 bytes of variables",
        ),
        (
            {"source_kms_keys": ["arn:aws:kms:us-east-1:111122223333:key/1"]},
            "hpc:source_kms_keys needs hpc:source_buckets, whose objects they encrypt; "
            "got ['arn:aws:kms:us-east-1:111122223333:key/1'] without them",
        ),
        (
            {"batch": True, "run_timeout_seconds": 89_999},
            "hpc:run_timeout_seconds must be 3,600 more than hpc:batch_run_timeout_seconds, 86400, or longer: "
            "Start and Sum may take as long; got 89999",
        ),
        (
            {"batch": True, "vpc_id": "vpc-01234567"},
            "hpc:vpc_id and hpc:subnet_ids must be given both or neither; got 'vpc-01234567' and []",
        ),
        (
            {"batch": True, "subnet_access": "private", "batch_image": "docker.io/team/hpc:1"},
            "hpc:batch_image must be in Amazon ECR where hpc:subnet_access is private and the VPC is the stack's own, "
            "which leads nowhere else; got 'docker.io/team/hpc:1'",
        ),
    ],
)
def test_config_refuses_settings_that_do_not_go_together(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        HpcConfig.from_context({f"hpc:{key}": value for key, value in settings.items()})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("batch_image", "public.ecr.aws/team/hpc:1.2", "public.ecr.aws/team/hpc:1.2"),
        ("batch_spot", "true", True),
        ("batch_max_vcpus", "100", 100),
        ("subnet_access", "private", "private"),
    ],
)
def test_config_reads_the_text_of_settings_that_need_another(key: str, text: str, value: Any) -> None:
    assert getattr(HpcConfig.from_context({"hpc:batch": "true", f"hpc:{key}": text}), key) == value


@given(st.integers())
def test_config_takes_a_whole_number_just_in_its_range_as_number_and_as_text(number: int) -> None:
    for given_value in (number, str(number)):
        if 128 <= number <= 10_240:
            assert HpcConfig.from_context({"hpc:compute_memory_mib": given_value}).compute_memory_mib == number
        else:
            with pytest.raises(ConfigError, match="from 128 to 10,240"):
                HpcConfig.from_context({"hpc:compute_memory_mib": given_value})


@given(st.sampled_from(sorted(RULES)), st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
def test_config_either_takes_any_json_value_or_raises_its_own_error(key: str, value: Any) -> None:
    try:
        taken = getattr(HpcConfig.from_context({f"hpc:{key}": value}), key)
    except ConfigError:
        return
    assert taken == getattr(HpcConfig(**{key: taken}), key)


def test_version_of_python_may_be_given_as_a_number() -> None:
    assert HpcConfig.from_context({"hpc:python": 3.12}).python == "3.12"
    with pytest.raises(ConfigError, match=r"hpc:python must be one of auto, 3\.11, .*; got 3\.1$"):
        HpcConfig.from_context({"hpc:python": 3.10})


def test_config_refuses_unknown_keys_and_names_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        HpcConfig.from_context({"hpc:memory": 1, "hpc:Max_concurrency": 1, "other:key": 1})
    assert "unknown setting hpc:Max_concurrency, hpc:memory; known: hpc:stack_name, " in str(caught.value)


def test_config_leaves_keys_of_others_alone() -> None:
    assert HpcConfig.from_context({"@aws-cdk/core:anything": "x", "hpcstack": 1}) == HpcConfig()


def test_cdk_json_holds_every_setting_with_its_default() -> None:
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    assert {key for key in context if key.startswith("hpc:")} == {f"hpc:{name}" for name in RULES}
    assert HpcConfig.from_context(context) == HpcConfig()


def test_documentation_lists_every_setting_with_default_and_range() -> None:
    rows = re.findall(
        r"^\| `hpc:(\w+)` \| (.*?) \| (.*?) \|", (ROOT / "docs/reference/configuration.md").read_text(), re.MULTILINE
    )
    assert len({name for name, _, _ in rows}) == len(rows)
    assert {name: allowed for name, _, allowed in rows} == {name: rule.allowed for name, rule in RULES.items()}
    defaults = {each.name: json.dumps(each.default).strip('"') for each in fields(HpcConfig)}
    documented = {name: default.strip("`") for name, default, _ in rows}
    assert documented == {name: "none" if default in ("", "[]") else default for name, default in defaults.items()}


def test_documentation_names_every_parameter_of_the_sample_beside_its_counterpart() -> None:
    # Source: aws-samples/aws-stepfunction-complex-orchestrator-app, the parameters of its template.
    text = (ROOT / "docs/reference/configuration.md").read_text()
    for parameter in ("VPCID", "Subnets", "FargateSubnetAccessibility", "batchSleepDuration", "BatchScriptName"):
        [row] = re.findall(rf"^\| `{parameter}`[^|]*\| (.+?) \|$", text, re.MULTILINE)
        assert row


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"compute_memory_mib": "64"}, "app.py: hpc:compute_memory_mib must be a whole number from 128"),
        ({"child_type": "EXPRESS"}, "allowed with Express children: a compute time-out of at most 231 s"),
    ],
)
def test_app_ends_with_one_line_when_a_setting_is_wrong(settings: dict[str, Any], message: str, tmp_path: Any) -> None:
    done = run_app(tmp_path, **settings)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "manifest.json").exists()
