"""Generators of JSON values and of what reads them, shared by the property tests."""

from typing import Any

from hypothesis import strategies as st
from sfn_local.language.scope import Scope

NAMES = st.text(alphabet="abcxyz_-é", min_size=1, max_size=4)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
)

JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)

STEPS = st.lists(NAMES | st.integers(-3, 3), max_size=4)


def path_text(steps: list[Any]) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f"['{step}']" for step in steps)


def scope(context: dict[str, Any] | None = None, **variables: Any) -> Scope:
    return Scope(context if context is not None else {"Execution": {"Id": "arn"}}, variables)
