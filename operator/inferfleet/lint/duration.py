"""Durations in CEL rules are Go's: `1h30m`, up to some 292 years, where CEL itself knows 10,000. Pure.

The grammar and range of `time.ParseDuration` of Go's standard library.
"""

import re
from datetime import timedelta
from fractions import Fraction

_PART = r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)"
_WHOLE = re.compile(rf"([+-]?)((?:{_PART})+|0)")
_PARTS = re.compile(_PART)
_SECONDS = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "μs": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
}
_MOST = Fraction(2**63 - 1, 10**9)


def parse(text: str) -> timedelta:
    """To the microsecond. ValueError where it is no duration, or too long for Go."""
    found = _WHOLE.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a duration such as 1h30m")
    seconds = sum((Fraction(number) * _SECONDS[unit] for number, unit in _PARTS.findall(found[2])), Fraction(0))
    if seconds > _MOST:
        raise ValueError(f"{text!r} is longer than Go can tell")
    size = timedelta(microseconds=round(seconds * 10**6))
    return -size if found[1] == "-" else size
