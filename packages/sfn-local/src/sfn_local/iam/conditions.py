"""Condition operators of IAM policies: those that the templates of a cloud assembly use.

Source: IAM user guide, "IAM JSON policy elements: Condition operators".

**Differs from AWS:** the operators are ``OPERATORS``, without ``IfExists`` and set operators; the keys are ``KEYS``;
others are refused by name when the assembly is loaded, because a key without a value would turn a Deny off.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

_ARN_PARTS = 6
_RESOURCE_TYPE = re.compile("[^:/]*[:/]")


@lru_cache(maxsize=4096)
def _glob(pattern: str, flags: int = 0) -> re.Pattern[str]:
    # Each text between two stars is matched at its first place from the left, so that the time is never exponential.
    begin, *pieces = ("".join("." if each == "?" else re.escape(each) for each in part) for part in pattern.split("*"))
    middle = "".join(f"(?>.*?{piece})" for piece in pieces[:-1] if piece)
    end = f".*{pieces[-1]}" if pieces else ""
    return re.compile(f"{begin}{middle}{end}", re.DOTALL | flags)


def matches_action(pattern: str, action: str) -> bool:
    """Whether an action is meant by a pattern; case does not matter, as IAM has it."""
    return _glob(pattern, re.IGNORECASE).fullmatch(action) is not None


def matches_text(pattern: str, text: str) -> bool:
    """Compare with ``*`` and ``?`` as wildcards."""
    return _glob(pattern).fullmatch(text) is not None


def matches_arn(pattern: str, arn: str) -> bool:
    """Compare the six parts of an ARN one by one: a wildcard ends at a colon, except in the last part."""
    if pattern == "*":
        return True
    wanted, given = pattern.split(":", _ARN_PARTS - 1), arn.split(":", _ARN_PARTS - 1)
    wanted += ["*"] * (_ARN_PARTS - len(wanted))  # IAM takes the parts that are missing for anything
    return len(given) == _ARN_PARTS and all(map(matches_text, wanted, given))


def matches_resource(pattern: str, arn: str) -> bool:
    """Compare as `matches_arn` does, but for the type of the resource, such as ``execution:``: it has no wildcards.

    Source: IAM user guide, "Amazon Resource Names", "Using wildcards in ARNs".  S3's ARNs have no type.
    """
    parts = pattern.split(":", _ARN_PARTS - 1)
    if len(parts) == _ARN_PARTS and parts[2:5] != ["s3", "", ""]:
        resource_type = _RESOURCE_TYPE.match(parts[5])
        if resource_type is not None and set("*?") & set(resource_type[0]):
            return False
    return matches_arn(pattern, arn)


def _is_less(limit: str, value: str) -> bool:
    try:
        return float(value) < float(limit)
    except ValueError:
        return False


OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "ArnLike": matches_arn,
    "Bool": lambda wanted, value: wanted.lower() == value.lower(),
    "NumericLessThan": _is_less,
    "StringEquals": lambda wanted, value: wanted == value,
    "StringLike": matches_text,
}
"""``(value of the policy, value of the request)`` to whether the condition holds."""

_ENCRYPTION_CONTEXT = "kms:EncryptionContext:"
KEYS = (
    "aws:SecureTransport",
    "aws:SourceAccount",
    "aws:SourceArn",
    f"{_ENCRYPTION_CONTEXT}*",
    "kms:ViaService",
    "s3:TlsVersion",
    "s3:delimiter",
    "s3:max-keys",
    "s3:prefix",
)
"""Keys that requests have here as they have them on AWS."""


def is_known_key(key: str) -> bool:
    """Whether a condition on this key can be decided here; names of keys ignore case."""
    return any(matches_action(known, key) for known in KEYS)


Context = tuple[tuple[str, str], ...]
"""Condition keys of a request with their values."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one key; one of ``values`` is enough."""

    operator: str
    key: str
    values: tuple[str, ...]

    def holds(self, context: Context) -> bool:
        """Whether a request satisfies it; one without the key does not.  Names of keys ignore case."""
        compare = OPERATORS[self.operator]
        given = [value for key, value in context if key.lower() == self.key.lower()]
        return any(compare(wanted, value) for wanted in self.values for value in given)
