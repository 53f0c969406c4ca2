"""Kubernetes quantities (`500m`, `2Gi`, `1e3`) for CEL rules. Pure.

The grammar and ranges of `k8s.io/apimachinery/pkg/api/resource`.
"""

import re
from decimal import Decimal

_FORM = re.compile(
    r"([+-]?)([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E)|[eE]([+-]?[0-9]{1,3}))?"
)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def parse(text: str) -> Decimal:
    """In base units. ValueError where it is no quantity."""
    found = _FORM.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a quantity such as 500m, 2 or 4Gi")
    sign, digits, suffix, exponent = found.groups()
    value = Decimal(f"{sign}{digits}")
    if suffix in _BINARY:
        return value * Decimal(2) ** _BINARY[suffix]
    power: int = _DECIMAL[suffix] if suffix else int(exponent or 0)
    return value.scaleb(power)


def is_quantity(text: str) -> bool:
    """Whether `parse` would take it."""
    return _FORM.fullmatch(text) is not None


def compare(a: str, b: str) -> int:
    """-1, 0 or 1."""
    left, right = parse(a), parse(b)
    return (left > right) - (left < right)
