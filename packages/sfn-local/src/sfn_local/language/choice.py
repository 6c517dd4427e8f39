"""Choice states: the rules compiled once, then the first that matches names the next state.

Differs from AWS: not known to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sfn_local.language import Json
from sfn_local.language.comparisons import COMPARISONS, TYPE_TESTS, string_matches
from sfn_local.language.errors import StatesRuntimeError
from sfn_local.language.evaluation import pause
from sfn_local.language.jsonata import compile_expression, is_expression, states_of
from sfn_local.language.paths import MissingPathError, Path, compile_path
from sfn_local.language.scope import Scope

Condition = Callable[[Json, Scope], bool]

COMBINATIONS = ("And", "Or", "Not")
OPERATORS = (*COMPARISONS, *(f"{name}Path" for name in COMPARISONS), *TYPE_TESTS, "IsPresent", "StringMatches")


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of Choices: where it leads, and its position, by which its Assign and Output are found."""

    index: int
    next: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class Choice:
    """A compiled Choice state."""

    rules: tuple[Rule, ...]
    default: str | None

    def choose(self, document: Json, scope: Scope) -> tuple[str, Rule | None]:
        """The next state and the rule that named it; None stands for Default.

        Parameters
        ----------
        document : Json
            The effective input (after InputPath; in JSONata the state's input).

        Raises
        ------
        StatesError
            ``States.Runtime`` if no rule matches and there is no Default, or a Variable has no value; what a JSONata
            condition raises.
        """
        for rule in self.rules:
            if rule.condition(document, scope):
                return rule.next, rule
        if self.default is None:
            # measured on the service by others: not States.NoChoiceMatched, as documented
            raise StatesRuntimeError("Failed to transition out of the state. The state does not point to a next state.")
        return self.default, None


def compile_choice(fields: Mapping[str, Json], is_jsonata: bool) -> Choice:
    """Compile a Choice state that was checked already."""
    rules = tuple(
        Rule(index, rule["Next"], _jsonata_condition(rule, index) if is_jsonata else compile_condition(rule))
        for index, rule in enumerate(fields["Choices"])
    )
    return Choice(rules, fields.get("Default"))


def compile_condition(rule: Mapping[str, Json]) -> Condition:
    """Compile a JSONPath rule: a comparison, or And, Or, Not of rules."""
    if "And" in rule:
        parts = tuple(compile_condition(part) for part in rule["And"])
        return lambda document, scope: all(part(document, scope) for part in parts)
    if "Or" in rule:
        parts = tuple(compile_condition(part) for part in rule["Or"])
        return lambda document, scope: any(part(document, scope) for part in parts)
    if "Not" in rule:
        inner = compile_condition(rule["Not"])
        return lambda document, scope: not inner(document, scope)
    operator = next(name for name in rule if name in OPERATORS)
    return _comparison(operator, compile_path(rule["Variable"]), rule[operator])


def _comparison(operator: str, variable: Path, operand: Json) -> Condition:
    if operator == "IsPresent":
        return lambda document, scope: _is_present(variable, document, scope) is operand
    if operator == "StringMatches":
        return lambda document, scope: string_matches(_value(variable, document, scope), operand)
    if operator in TYPE_TESTS:
        test = TYPE_TESTS[operator]
        return lambda document, scope: test(_value(variable, document, scope)) is operand
    if operator in COMPARISONS:
        compare = COMPARISONS[operator]
        return lambda document, scope: compare(_value(variable, document, scope), operand)
    compare_with = COMPARISONS[operator.removesuffix("Path")]
    other = compile_path(operand)
    return lambda document, scope: compare_with(_value(variable, document, scope), _value(other, document, scope))


def _is_present(path: Path, document: Json, scope: Scope) -> bool:
    try:
        value = path.find(document, scope)
    except MissingPathError:
        return False
    return path.steps is not None or bool(value)  # a query that finds nothing gives an empty list


def _value(path: Path, document: Json, scope: Scope) -> Json:
    pause()
    try:
        return path.find(document, scope)
    except MissingPathError:
        raise StatesRuntimeError(
            f"Invalid path '{path.text}': The choice state's condition path references an invalid value."
        ) from None


def _jsonata_condition(rule: Mapping[str, Json], index: int) -> Condition:
    condition = rule["Condition"]
    if not is_expression(condition):
        return lambda _document, _scope: bool(condition)
    expression = compile_expression(condition, f"Choices[{index}]/Condition")
    return lambda document, scope: bool(expression.expect("boolean", states_of(document, scope), scope))
