"""Settings: from the CDK context keys ``hpc:*`` to one typed, checked value that is handed down."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

PREFIX = "hpc:"

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

# Source: "General purpose bucket naming rules", Amazon S3 User Guide.
BUCKET_NAME = re.compile(r"(?!xn--)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?<!-s3alias)")


class ConfigError(ValueError):
    """A setting is unknown or out of range; the text names the key, what was given and what is allowed."""


class Rule(Protocol):
    """What a setting may be."""

    @property
    def allowed(self) -> str:
        """The allowed values in words."""

    def read(self, given: object) -> Any:
        """Return the typed value, or raise ``ValueError``.

        ``cdk -c key=value`` hands over text, ``cdk.json`` any JSON value: both are read, nothing else is converted.
        """


@dataclass(frozen=True)
class Whole:
    minimum: int
    maximum: int

    @property
    def allowed(self) -> str:
        return f"a whole number from {self.minimum:,} to {self.maximum:,}"

    def read(self, given: object) -> int:
        value = int(given) if isinstance(given, str) and re.fullmatch(r"[0-9]{1,9}", given) else given
        if not isinstance(value, int) or isinstance(value, bool) or not self.minimum <= value <= self.maximum:
            raise ValueError(given)
        return value


@dataclass(frozen=True)
class OneOf:
    """One of a few values, given as they are or as their text."""

    texts: Mapping[str, Any]

    @property
    def allowed(self) -> str:
        return "one of " + ", ".join(self.texts)

    def read(self, given: object) -> Any:
        for text, value in self.texts.items():
            if given == text or (given == value and type(given) is type(value)):
                return value
        raise ValueError(given)


@dataclass(frozen=True)
class Text:
    pattern: str
    allowed: str

    def read(self, given: object) -> str:
        if not isinstance(given, str) or not re.fullmatch(self.pattern, given):
            raise ValueError(given)
        return given


@dataclass(frozen=True)
class BucketNames:
    allowed: str = "names of S3 buckets, each once: a JSON list, or one text with commas"

    def read(self, given: object) -> tuple[str, ...]:
        names = tuple(given.split(",") if given else ()) if isinstance(given, str) else given
        if not isinstance(names, list | tuple) or not all(is_bucket_name(name) for name in names):
            raise ValueError(given)
        if len(set(names)) < len(names):
            raise ValueError(given)
        return tuple(names)


def is_bucket_name(given: object) -> bool:
    return isinstance(given, str) and BUCKET_NAME.fullmatch(given) is not None


def one_of(*values: Any) -> OneOf:
    return OneOf({str(value): value for value in values})


def setting(default: Any, rule: Rule) -> Any:
    return field(default=default, metadata={"rule": rule})


@dataclass(frozen=True, kw_only=True)
class HpcConfig:
    """Every setting of the stack; ``docs/configuration.md`` says what each is for.

    Raises
    ------
    ConfigError
        If a value is not allowed.
    """

    # CloudFormation's own rule, but half its length: the name is part of generated names.
    stack_name: str = setting(
        "HpcStack", Text(r"[A-Za-z][A-Za-z0-9-]{0,63}", "a letter, then up to 63 letters, digits and hyphens")
    )
    architecture: str = setting("arm64", one_of("arm64", "x86_64"))
    # 1,769 MiB buys one whole vCPU.  Source of both: Lambda quotas and "Configure Lambda function memory".
    compute_memory_mib: int = setting(1_769, Whole(128, 10_240))
    compute_timeout_seconds: int = setting(900, Whole(1, 900))
    # A Map Run starts no more than 10,000 children at once; an account has 1,000 concurrent Lambda environments.
    max_concurrency: int = setting(500, Whole(1, 10_000))
    child_type: str = setting("STANDARD", one_of("STANDARD", "EXPRESS"))
    # At least 15: an execution can be redriven for 14 days after its end, and a redrive reads the run's objects.
    results_expire_after_days: int = setting(30, Whole(15, 3_650))
    retain_results: bool = setting(False, OneOf({"true": True, "false": False}))
    log_retention_days: int = setting(30, one_of(*LOG_RETENTION))
    source_buckets: tuple[str, ...] = setting((), BucketNames())

    def __post_init__(self) -> None:
        for each in fields(self):
            given = getattr(self, each.name)
            rule: Rule = each.metadata["rule"]
            try:
                object.__setattr__(self, each.name, rule.read(given))
            except ValueError:
                raise ConfigError(f"{PREFIX}{each.name} must be {rule.allowed}; got {given!r}") from None

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> "HpcConfig":
        """Read the ``hpc:*`` keys of a CDK context; keys of others are not looked at.

        Raises
        ------
        ConfigError
            If a ``hpc:*`` key is not known, or its value is not allowed.
        """
        given = {key.removeprefix(PREFIX): value for key, value in context.items() if key.startswith(PREFIX)}
        known = [each.name for each in fields(cls)]
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ConfigError(
                f"unknown setting {', '.join(PREFIX + name for name in unknown)}; "
                f"known: {', '.join(PREFIX + name for name in known)}"
            )
        return cls(**given)
