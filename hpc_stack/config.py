"""Settings of the stack: checks the CDK context keys ``hpc:*`` and returns one typed value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from hpc_stack.contract.limits import (
    MAX_ARRAY_SIZE,
    MAX_CONCURRENCY,
    MAX_FUNCTION_TIMEOUT_SECONDS,
    MAX_ITEMS,
    MIN_ARRAY_SIZE,
)
from hpc_stack.pythons import AUTO, VERSIONS
from hpc_stack.setting_rules import (
    BUCKET_NAME,
    KMS_KEY_ARN,
    MAX_VARIABLES_BYTES,
    POLICY_ARN,
    SWITCH,
    Dollars,
    Names,
    Rule,
    Tags,
    Text,
    Variables,
    Whole,
    length,
    one_of,
)

PREFIX = "hpc:"
STACK_NAME = "stack_name"
SOURCE_BUCKETS = "SOURCE_BUCKETS"

# Days -> name in ``aws_logs.RetentionDays`` (CloudWatch Logs takes only certain numbers of days).
LOG_RETENTION = {
    1: "ONE_DAY",
    3: "THREE_DAYS",
    5: "FIVE_DAYS",
    7: "ONE_WEEK",
    14: "TWO_WEEKS",
    30: "ONE_MONTH",
    60: "TWO_MONTHS",
    90: "THREE_MONTHS",
    180: "SIX_MONTHS",
    365: "ONE_YEAR",
    731: "TWO_YEARS",
    1_827: "FIVE_YEARS",
    3_653: "TEN_YEARS",
}

# vCPUs of a job on Fargate -> MiB of memory that it may have.
# Source: AWS Batch API reference, ResourceRequirement, "value".
FARGATE_MEMORY_MIB: Mapping[float, range | tuple[int, ...]] = {
    0.25: (512, 1_024, 2_048),
    0.5: range(1_024, 4_097, 1_024),
    1: range(2_048, 8_193, 1_024),
    2: range(4_096, 16_385, 1_024),
    4: range(8_192, 30_721, 1_024),
    8: range(16_384, 61_441, 4_096),
    16: range(32_768, 122_881, 8_192),
    32: (61_440, 122_880, 249_856),
}
# An array job has this many children for each that can run at once: a child that takes longer delays less, and a share
# that has to be computed again is smaller.
CHILDREN_PER_SLOT = 4
# Start before a run's job and Sum after it, each up to its time-out of 900 s, with room for their retries.
START_AND_SUM_SECONDS = 3_600

# Their rights fill managed policies of 6,144 characters, of which a role has 10 at most.
# Source: "IAM and AWS STS quotas".
MAX_SOURCES = 100
# Of those 10 managed policies; what most sources need is left to them.
MAX_POLICIES = 4

ECR_HOST = ".dkr.ecr."
# A dot-atom and a host name.  Source: RFC 5321, sections 4.1.2 and 4.5.3.1; RFC 1123, section 2.1.
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
HOST_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
EMAIL = rf"|(?=.{{1,64}}@.{{4,190}}$){ATOM}(\.{ATOM})*@({HOST_LABEL}\.)+[A-Za-z]([A-Za-z0-9-]{{0,61}}[A-Za-z0-9])"
IMAGE = r"|[a-z0-9][A-Za-z0-9._:/-]{0,250}(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64})"


class ConfigError(ValueError):
    """A setting is unknown or out of range; the text names the key, what was given and what is allowed."""


def setting(default: Any, rule: Rule, *, needs: str | None = None) -> Any:
    """Declare a setting; ``needs`` is the switch without which it has no effect."""
    return field(default=default, metadata={"rule": rule, "needs": needs})


@dataclass(frozen=True, kw_only=True)
class HpcConfig:
    """Every setting of the stack; ``docs/reference/configuration.md`` says what each is for.

    Raises
    ------
    ConfigError
        If a value is not allowed, does not go with another, or would have no effect.
    """

    # CloudFormation's own rule, but half its length: the name is part of generated names.
    stack_name: str = setting(
        "HpcStack", Text(r"[A-Za-z][A-Za-z0-9-]{0,63}", "a letter, then up to 63 letters, digits and hyphens")
    )
    architecture: str = setting("arm64", one_of("arm64", "x86_64"))
    python: str = setting(AUTO, one_of(AUTO, *VERSIONS))
    # 1,769 MiB buys one whole vCPU.  Source of both: Lambda quotas and "Configure Lambda function memory".
    compute_memory_mib: int = setting(1_769, Whole(128, 10_240))
    compute_timeout_seconds: int = setting(MAX_FUNCTION_TIMEOUT_SECONDS, Whole(1, MAX_FUNCTION_TIMEOUT_SECONDS))
    # Of /tmp.  Source: "Configure ephemeral storage for Lambda functions".
    ephemeral_storage_mib: int = setting(512, Whole(512, 10_240))
    environment: tuple[tuple[str, str], ...] = setting((), Variables())
    policies: tuple[str, ...] = setting((), Names(POLICY_ARN, "ARNs of managed policies", MAX_POLICIES))
    # False where this machine's packages serve: local runs, or workloads that need none.
    packages_layer: bool = setting(True, SWITCH)
    # A Map Run starts no more than 10,000 children at once; an account has 1,000 concurrent Lambda environments.
    max_concurrency: int = setting(500, Whole(1, MAX_CONCURRENCY))
    # Above 2^53 Step Functions, whose numbers are doubles, does not keep integers apart.
    max_items: int = setting(100_000_000, Whole(1, MAX_ITEMS))
    # An hour more than the longest job that the default settings wait for.
    run_timeout_seconds: int = setting(90_000, Whole(60, 31_536_000))
    max_usd: float = setting(0, Dollars(1_000_000))
    child_type: str = setting("STANDARD", one_of("STANDARD", "EXPRESS"))
    # False: runs compute with what was deployed, whoever starts them.
    uploaded_workloads: bool = setting(True, SWITCH)
    # At least 15: an execution can be redriven for 14 days after its end, and a redrive reads the run's objects.
    results_expire_after_days: int = setting(30, Whole(15, 3_650))
    retain_results: bool = setting(False, SWITCH)
    log_retention_days: int = setting(30, one_of(*LOG_RETENTION))
    source_buckets: tuple[str, ...] = setting((), Names(BUCKET_NAME, "names of S3 buckets", MAX_SOURCES))
    kms: bool = setting(False, SWITCH)
    tags: tuple[tuple[str, str], ...] = setting((), Tags())
    alarms: bool = setting(False, SWITCH)
    notify_email: str = setting("", Text(EMAIL, "an e-mail address, or nothing"))
    source_kms_keys: tuple[str, ...] = setting((), Names(KMS_KEY_ARN, "ARNs of KMS keys", MAX_SOURCES))

    batch: bool = setting(False, SWITCH)
    batch_image: str = setting(
        "", Text(IMAGE, "an image with a tag or a digest, or nothing for the project's own"), needs="batch"
    )
    batch_architecture: str = setting("arm64", one_of("arm64", "x86_64"), needs="batch")
    batch_spot: bool = setting(False, SWITCH, needs="batch")
    batch_vcpus: float = setting(1, one_of(*FARGATE_MEMORY_MIB), needs="batch")
    batch_memory_mib: int = setting(2_048, Whole(512, 249_856), needs="batch")
    # 6 is the quota of a Region at first, of Fargate and of Fargate Spot.  Source: Amazon ECS service quotas.
    batch_max_vcpus: int = setting(6, Whole(1, 100_000), needs="batch")
    # At least a minute, and 14 days, after which Fargate may end a task.  Source: AWS Batch API reference, JobTimeout.
    batch_timeout_seconds: int = setting(14_400, Whole(60, 1_209_600), needs="batch")
    batch_run_timeout_seconds: int = setting(86_400, Whole(60, 31_536_000), needs="batch")
    callback_heartbeat_seconds: int = setting(3_600, Whole(10, 604_800), needs="batch")
    vpc_id: str = setting(
        "", Text(r"|vpc-[0-9a-f]{8,17}", "the id of a VPC, or nothing for one of its own"), needs="batch"
    )
    # Source: AWS Batch API reference, ComputeResource, "subnets".
    subnet_ids: tuple[str, ...] = setting((), Names(r"subnet-[0-9a-f]{8,17}", "ids of subnets", 16), needs="batch")
    subnet_access: str = setting("public", one_of("public", "private"), needs="batch")

    orchestrator: bool = setting(False, SWITCH, needs="batch")
    orchestrator_max_concurrency: int = setting(2, Whole(1, 40), needs="orchestrator")
    orchestrator_job_timeout_seconds: int = setting(1_800, Whole(240, 2_592_000), needs="orchestrator")
    orchestrator_retry_interval_seconds: int = setting(30, Whole(1, 3_600), needs="orchestrator")

    def __post_init__(self) -> None:
        for each in fields(self):
            given = getattr(self, each.name)
            rule: Rule = each.metadata["rule"]
            try:
                object.__setattr__(self, each.name, rule.read(given))
            except ValueError:
                raise ConfigError(f"{PREFIX}{each.name} must be {rule.allowed}; got {given!r}") from None
        self._check_effects()
        self._check_job_size()
        self._check_times()
        self._check_network()

    def _check_effects(self) -> None:
        for each in fields(self):
            switch = each.metadata["needs"]
            given = getattr(self, each.name)
            if switch is not None and given != each.default and not getattr(self, switch):
                raise ConfigError(f"{PREFIX}{each.name} needs {PREFIX}{switch} to be true; got {given!r} without it")

        if self.source_kms_keys and not self.source_buckets:
            raise ConfigError(
                f"{PREFIX}source_kms_keys needs {PREFIX}source_buckets, whose objects they encrypt; "
                f"got {list(self.source_kms_keys)!r} without them"
            )

        if length([*self.environment, (SOURCE_BUCKETS, ",".join(self.source_buckets))]) > MAX_VARIABLES_BYTES:
            raise ConfigError(
                f"{PREFIX}source_buckets and {PREFIX}environment must have {MAX_VARIABLES_BYTES} bytes together at "
                f"most: both are environment variables of Start; got {len(self.source_buckets)} buckets and "
                f"{length(self.environment)} bytes of variables"
            )

    def _check_job_size(self) -> None:
        allowed = FARGATE_MEMORY_MIB[self.batch_vcpus]
        if self.batch_memory_mib not in allowed:
            raise ConfigError(
                f"{PREFIX}batch_memory_mib must be one of {', '.join(map(str, allowed))} with "
                f"{self.batch_vcpus} vCPU; got {self.batch_memory_mib}"
            )
        if self.batch_max_vcpus < self.batch_vcpus:
            raise ConfigError(
                f"{PREFIX}batch_max_vcpus must be {PREFIX}batch_vcpus, {self.batch_vcpus}, or more; "
                f"got {self.batch_max_vcpus}"
            )

    def _check_times(self) -> None:
        for name in ("batch_timeout_seconds", "callback_heartbeat_seconds"):
            if getattr(self, name) >= self.batch_run_timeout_seconds:
                raise ConfigError(
                    f"{PREFIX}{name} must be under {PREFIX}batch_run_timeout_seconds, "
                    f"{self.batch_run_timeout_seconds}; got {getattr(self, name)}"
                )
        if self.batch and self.run_timeout_seconds < self.batch_run_timeout_seconds + START_AND_SUM_SECONDS:
            raise ConfigError(
                f"{PREFIX}run_timeout_seconds must be {START_AND_SUM_SECONDS:,} more than "
                f"{PREFIX}batch_run_timeout_seconds, {self.batch_run_timeout_seconds}, or longer: Start and Sum may "
                f"take as long; got {self.run_timeout_seconds}"
            )

    def _check_network(self) -> None:
        if bool(self.vpc_id) != bool(self.subnet_ids):
            raise ConfigError(
                f"{PREFIX}vpc_id and {PREFIX}subnet_ids must be given both or neither; "
                f"got {self.vpc_id!r} and {list(self.subnet_ids)!r}"
            )

        is_isolated = not self.vpc_id and self.subnet_access == "private"
        if is_isolated and self.batch_image and ECR_HOST not in self.batch_image:
            raise ConfigError(
                f"{PREFIX}batch_image must be in Amazon ECR where {PREFIX}subnet_access is private and the VPC is the "
                f"stack's own, which leads nowhere else; got {self.batch_image!r}"
            )

    @property
    def max_array_size(self) -> int:
        """Children of an array job whose run says nothing else."""
        slots = int(self.batch_max_vcpus / self.batch_vcpus)
        return max(MIN_ARRAY_SIZE, min(CHILDREN_PER_SLOT * slots, MAX_ARRAY_SIZE))

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> "HpcConfig":
        """Read the ``hpc:*`` keys of a CDK context; keys of others are not looked at.

        Raises
        ------
        ConfigError
            If a ``hpc:*`` key is not known, or its value is not allowed.
        """
        given = {key.removeprefix(PREFIX): value for key, value in context.items() if key.startswith(PREFIX)}
        _check_known(given, [each.name for each in fields(cls)], PREFIX)
        return cls(**given)

    @classmethod
    def for_construct(cls, settings: Mapping[str, Any]) -> "HpcConfig":
        """Read the settings of a construct: all but the name of the stack, which is not the construct's.

        Raises
        ------
        ConfigError
            If a setting is not known, or its value is not allowed.
        """
        _check_known(settings, [each.name for each in fields(cls) if each.name != STACK_NAME])
        return cls(**settings)

    def construct_settings(self) -> dict[str, Any]:
        """Return what `for_construct` reads."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != STACK_NAME}


def _check_known(given: Mapping[str, Any], known: Sequence[str], prefix: str = "") -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ConfigError(
            f"unknown setting {', '.join(prefix + name for name in unknown)}; "
            f"known: {', '.join(prefix + name for name in known)}"
        )
