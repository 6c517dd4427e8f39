"""Rules of settings: each checks a value and returns it typed, or raises an error that says what is allowed."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

# Source: "General purpose bucket naming rules", Amazon S3 User Guide.
BUCKET_NAME = r"(?!xn--)(?!\d{1,3}(\.\d{1,3}){3}$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?<!-s3alias)"

# A key, not an alias: rights on an alias are none on its key.
KMS_KEY_ARN = r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]{1,64}"


# Of AWS, or of an account.  Source: IAM API reference, CreatePolicy, "Path" and "PolicyName"; here no comma.
POLICY_ARN = r"arn:aws[a-z-]*:iam::(aws|[0-9]{12}):policy/([\w+=.@-]+/)*[\w+=.@-]{1,128}"


# Keys that every service takes, but not those of AWS, of the CDK, which empty the bucket, and of jobs.
# Source: "Tag naming limits and requirements", Tagging AWS Resources user guide.
TAG_KEY = r"(?!(?i:aws:|aws-cdk:|hpc-run$))(?! )[\w .:/+@-]{1,128}(?<! )"
# Amazon CloudWatch takes no empty value.  Source: CloudWatch API reference, Tag, "Value".
TAG_VALUE = r"(?! )[\w .:/=+@-]{1,256}(?<! )"
MAX_TAGS = 40  # of 50; aws-cdk-lib adds some of its own
# Each of some 80 resources has all tags in the template, which may have 1 MB.  Source: "CloudFormation quotas".
MAX_TAGS_BYTES = 4_000


# Of 4 KB that a function may have; the others are this project's.  Source: "Lambda quotas".
MAX_VARIABLES_BYTES = 3_000
# Lambda refuses names of one character.  Source: AWS Lambda API reference, Environment, "Variables", key pattern.
VARIABLE = r"[A-Za-z][A-Za-z0-9_]{1,127}"
TAKEN_PREFIXES = ("AWS_", "LAMBDA_", "HPC_", "PYTHON", "MAX_", "JOB_")
TAKEN_NAMES = frozenset(
    {"RESULTS_BUCKET", "SOURCE_BUCKETS", "BACK_ENDS", "UPLOADED_WORKLOADS", "HEARTBEAT_SECONDS", "RUN", "TASK_TOKEN"}
    | {"PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "HOME"}
)


class Rule(Protocol):
    """Rule for the values of a setting."""

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
        value = int(given) if isinstance(given, str) and re.fullmatch(r"[0-9]{1,18}", given) else given
        if not isinstance(value, int) or isinstance(value, bool) or not self.minimum <= value <= self.maximum:
            raise ValueError(given)
        return value


@dataclass(frozen=True)
class Dollars:
    """An amount of money; 0 is no limit."""

    maximum: int

    @property
    def allowed(self) -> str:
        return f"a number of dollars up to {self.maximum:,}, with 6 decimals at most, or 0 for no limit"

    def read(self, given: object) -> float:
        text = given if isinstance(given, str) else repr(given) if type(given) in (int, float) else ""
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text, re.ASCII) or float(text) > self.maximum:
            raise ValueError(given)
        return float(text)


def _is_number(given: object, text: str) -> bool:
    return type(given) in (int, float) and repr(given) == text


@dataclass(frozen=True)
class OneOf:
    """One of a few values, given as they are or as their text."""

    texts: Mapping[str, Any]

    @property
    def allowed(self) -> str:
        return "one of " + ", ".join(self.texts)

    def read(self, given: object) -> Any:
        for text, value in self.texts.items():
            # A version such as 3.12 is a number where its quotes are forgotten.
            if given == text or (given == value and type(given) is type(value)) or _is_number(given, text):
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
class Names:
    """Names that all have one pattern, none of them twice."""

    pattern: str
    what: str
    maximum: int

    @property
    def allowed(self) -> str:
        return f"up to {self.maximum} {self.what}, each once: a JSON list, or one text with commas"

    def read(self, given: object) -> tuple[str, ...]:
        names = tuple(given.split(",") if given else ()) if isinstance(given, str) else given
        if not isinstance(names, list | tuple) or not all(self._fits(name) for name in names):
            raise ValueError(given)
        if not len(set(names)) == len(names) <= self.maximum:
            raise ValueError(given)
        return tuple(names)

    def _fits(self, name: object) -> bool:
        return isinstance(name, str) and re.fullmatch(self.pattern, name) is not None


@dataclass(frozen=True)
class Tags:
    """Keys and values of tags."""

    @property
    def allowed(self) -> str:
        return (
            f"up to {MAX_TAGS} tags of {MAX_TAGS_BYTES} bytes in all: a JSON object, or one text such as "
            "team=climate,project=ice; keys of 1 to 128 characters that differ in more than case and are neither "
            "hpc-run nor begin with aws: or aws-cdk:, values of 1 to 256, both of letters, digits, spaces within and "
            "_.:/=+-@"
        )

    def read(self, given: object) -> tuple[tuple[str, str], ...]:
        if isinstance(given, str):
            given = [tuple(each.split("=", 1)) for each in given.split(",")] if given else []
        pairs = list(given.items()) if isinstance(given, Mapping) else given
        if not isinstance(pairs, list | tuple) or not all(map(self._is_tag, pairs)):
            raise ValueError(given)
        # IAM takes keys that differ in case only for the same.
        if len(pairs) > MAX_TAGS or len({key.casefold() for key, _ in pairs}) < len(pairs):
            raise ValueError(given)
        if length(pairs) > MAX_TAGS_BYTES:
            raise ValueError(given)
        return tuple((key, value) for key, value in pairs)

    def _is_tag(self, pair: object) -> bool:
        match pair:
            case (str(key), str(value)):
                return re.fullmatch(TAG_KEY, key) is not None and re.fullmatch(TAG_VALUE, value) is not None
        return False


@dataclass(frozen=True)
class Variables:
    """Environment variables of workloads."""

    @property
    def allowed(self) -> str:
        return (
            f"environment variables of up to {MAX_VARIABLES_BYTES} bytes in all: a JSON object of texts, or one text "
            "such as MODEL=large,LEVEL=3; names of 2 to 128 letters, digits and _, a letter first, but for those of "
            "AWS and of this project (AWS_, LAMBDA_, HPC_, PYTHON, RESULTS_BUCKET and the like)"
        )

    def read(self, given: object) -> tuple[tuple[str, str], ...]:
        if isinstance(given, str):
            given = [tuple(each.split("=", 1)) for each in given.split(",")] if given else []
        pairs = list(given.items()) if isinstance(given, Mapping) else given
        if not isinstance(pairs, list | tuple) or not all(map(self._is_variable, pairs)):
            raise ValueError(given)
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError(given)
        if length(pairs) > MAX_VARIABLES_BYTES:
            raise ValueError(given)
        return tuple((name, value) for name, value in pairs)

    def _is_variable(self, pair: object) -> bool:
        match pair:
            case (str(name), str(value)):
                is_free = not name.startswith(TAKEN_PREFIXES) and name not in TAKEN_NAMES
                return is_free and re.fullmatch(VARIABLE, name, re.ASCII) is not None and value.isprintable()
        return False


def length(pairs: Iterable[tuple[str, str]]) -> int:
    """Return the bytes of names and values."""
    return sum(len(f"{name}{value}".encode()) for name, value in pairs)


def one_of(*values: Any) -> OneOf:
    return OneOf({str(value): value for value in values})


SWITCH = OneOf({"true": True, "false": False})
