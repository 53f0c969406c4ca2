"""Values as Go prints them, since the API server's messages hold them. Pure.

Formats of Go's `fmt`, `strconv` and `encoding/json` packages (their documentation, Go 1.26).
"""

import json
import math
from decimal import Decimal
from typing import Any

_ESCAPES = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v"}
_ESCAPES |= {'"': r"\"", "\\": r"\\"}
_JSON_ESCAPES = {"<": r"\u003c", ">": r"\u003e", "&": r"\u0026", "\u2028": r"\u2028", "\u2029": r"\u2029"}


def quote(text: str) -> str:
    """`%q` of a string."""
    return f'"{"".join(_escaped(c) for c in text)}"'


def _escaped(c: str) -> str:
    if c in _ESCAPES:
        return _ESCAPES[c]
    if c.isprintable():
        return c
    code = ord(c)
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def number(value: float, *, small: float = 1e-4, large: float = 1e6) -> str:
    """`%v` of a number: a floating point one from `large` on, and below `small`, has an exponent."""
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN")
    exact = Decimal(repr(value)).normalize()
    if value == 0 or small <= abs(value) < large:
        return format(exact, "f")
    digits = "".join(str(digit) for digit in exact.as_tuple().digits)
    mantissa = digits[0] + (f".{digits[1:]}" if digits[1:] else "")
    exponent = exact.adjusted()
    return f"{'-' if value < 0 else ''}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def compact(value: Any) -> str:
    """`json.Marshal`: sorted keys, no spaces, nothing that HTML would misread."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{compact(key)}:{compact(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return f"[{','.join(compact(item) for item in value)}]"
    if isinstance(value, float):
        return number(value, small=1e-6, large=1e21).replace("e-0", "e-")
    text = json.dumps(value, ensure_ascii=False)
    return "".join(_JSON_ESCAPES.get(c, c) for c in text) if isinstance(value, str) else text


def bad(value: Any) -> str:
    """A refused value inside a message."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number(value)
    return quote(value) if isinstance(value, str) else compact(value)
