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
        ("compute_timeout_seconds", "900", 900),
        ("child_type", "EXPRESS", "EXPRESS"),
        ("retain_results", "true", True),
        ("retain_results", "false", False),
        ("log_retention_days", "3653", 3_653),
        ("source_buckets", "", ()),
        ("source_buckets", "data", ("data",)),
        ("source_buckets", "data,more.data-2", ("data", "more.data-2")),
    ],
)
def test_config_reads_the_text_that_the_command_line_gives(key: str, text: str, value: Any) -> None:
    assert getattr(HpcConfig.from_context({f"hpc:{key}": text}), key) == value


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
        r"^\| `hpc:(\w+)` \| (.*?) \| (.*?) \|", (ROOT / "docs/configuration.md").read_text(), re.MULTILINE
    )
    assert len({name for name, _, _ in rows}) == len(rows)
    assert {name: allowed for name, _, allowed in rows} == {name: rule.allowed for name, rule in RULES.items()}
    defaults = {each.name: json.dumps(each.default).strip('"') for each in fields(HpcConfig)}
    assert {name: default.strip("`").replace("none", "[]") for name, default, _ in rows} == defaults


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
