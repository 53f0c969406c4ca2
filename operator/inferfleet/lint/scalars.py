"""Plain scalars of YAML as kubectl reads them, which is neither quite YAML 1.1 nor 1.2. Pure.

`12:30` and `2026-07-20` are strings, `010` is 8, `yes` is true. The rules are those of `go.yaml.in/yaml/v2`, and of
the way through JSON that follows it.
"""

import math
import re
from typing import Any

_TRUE = {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}
_FALSE = {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}
_NULL = {"", "~", "null", "Null", "NULL"}
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
INT64 = range(-(2**63), 2**63)
"""Larger integers travel as floating point numbers."""
LONGEST = 400
"""Digits of the largest floating point number, and some."""


def resolve(text: str) -> Any:
    """The value of an unquoted scalar. ValueError where JSON has no such number."""
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text in _NULL:
        return None
    if _INFINITE.fullmatch(text):
        raise ValueError(f"json: unsupported value: {text}")
    if text[0] not in "+-.0123456789":
        return text
    found = number(text.replace("_", ""))
    return text if isinstance(found, str) else found


def number(text: str) -> Any:
    """An integer, a float, or the text itself where it is neither."""
    if len(text) > LONGEST:
        return text
    integer = _integer(text)
    if integer is not None:
        return integer if integer in INT64 else float(integer)
    if not _FLOAT.fullmatch(text):
        return text
    value = float(text)
    if not math.isfinite(value):
        return text
    return int(value) if value.is_integer() and int(value) in INT64 else value  # as through JSON


def _integer(text: str) -> int | None:
    found = _INTEGER.fullmatch(text)
    if not found:
        return None
    sign, hexadecimal, binary, octal, decimal = found.groups()
    for digits, base in ((hexadecimal, 16), (binary, 2), (octal, 8), (decimal, 10)):
        if digits is not None:
            return int(sign + digits, base)
    return None
