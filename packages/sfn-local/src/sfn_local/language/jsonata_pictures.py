"""Pictures of ``$formatNumber``: what is wrong with one, as the reference implementation of JSONata tells it.

Source: JSONata documentation, "Formatting numbers"; XPath and XQuery Functions 3.1, section 4.7.3, for the rules; the
official test suite of JSONata, for which of several faults is told: the last one of the rules' order.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from jsonata.jexception import JException


@dataclass(frozen=True, slots=True)
class _Symbols:
    """The characters that a picture is made of."""

    decimal: str
    grouping: str
    exponent: str
    percent: str
    per_mille: str
    optional: str
    separator: str
    digits: str

    @property
    def active(self) -> str:
        return self.digits + self.decimal + self.exponent + self.grouping + self.optional + self.separator


def check_picture(picture: str, options: Mapping[str, str]) -> None:
    """Refuse a picture that is against a rule; raises :class:`JException` with the rule's code."""
    zero = options.get("zero-digit") or "0"
    symbols = _Symbols(
        decimal=options.get("decimal-separator") or ".",
        grouping=options.get("grouping-separator") or ",",
        exponent=options.get("exponent-separator") or "e",
        percent=options.get("percent") or "%",
        per_mille=options.get("per-mille") or "‰",
        optional=options.get("digit") or "#",
        separator=options.get("pattern-separator") or ";",
        digits="".join(chr(ord(zero[0]) + place) for place in range(10)),
    )
    parts = picture.split(symbols.separator)
    if len(parts) > 2:
        raise JException("D3080", -1)
    for part in parts:
        code = _fault(part, symbols)
        if code is not None:
            raise JException(code, -1)


def _fault(part: str, symbols: _Symbols) -> str | None:
    places = [place for place, character in enumerate(part) if _is_active(character, symbols)]
    active = part[places[0] : places[-1] + 1] if places else part
    mantissa, has_exponent, exponent = active.partition(symbols.exponent)
    integer, has_decimal, fraction = mantissa.partition(symbols.decimal)
    digits, grouping = set(symbols.digits), symbols.grouping
    is_rate = symbols.percent in part or symbols.per_mille in part
    before, _, after = part.partition(symbols.decimal)
    faults = {
        "D3081": part.count(symbols.decimal) > 1,
        "D3082": part.count(symbols.percent) > 1,
        "D3083": part.count(symbols.per_mille) > 1,
        "D3084": symbols.percent in part and symbols.per_mille in part,
        "D3085": not set(mantissa) & (digits | {symbols.optional}),
        "D3086": bool(set(active) - set(symbols.active)),
        "D3087": bool(has_decimal) and (before.endswith(grouping) or after.startswith(grouping)),
        "D3088": not has_decimal and integer.endswith(grouping),
        "D3089": grouping * 2 in part,
        "D3090": bool(set(integer.partition(symbols.optional)[0]) & digits) and symbols.optional in integer,
        "D3091": bool(set(fraction.rpartition(symbols.optional)[2]) & digits) and symbols.optional in fraction,
        "D3092": bool(exponent) and is_rate,
        "D3093": bool(has_exponent) and (not exponent or bool(set(exponent) - digits)),
    }
    return max((code for code, is_fault in faults.items() if is_fault), default=None)


def _is_active(character: str, symbols: _Symbols) -> bool:
    return character in symbols.active and character != symbols.exponent
