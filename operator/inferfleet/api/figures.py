"""Numbers for people. Pure."""

from decimal import Decimal

HOURS = 7200
"""Seconds, from which on hours are easier to read."""


def latency(seconds: float) -> str:
    """Milliseconds below ten seconds, else seconds, so that two latencies read alike; deadlines in hours."""
    if seconds >= HOURS:
        return f"{figures(seconds / 3600)} h"
    return f"{figures(seconds * 1000)} ms" if seconds < 10 else f"{figures(seconds)} s"


def figures(value: float | Decimal, digits: int = 3) -> str:
    """`digits` significant digits, and of a larger number its whole part: 0.0341, 85.5, 2090. Never an exponent."""
    exact = Decimal(str(value))
    if not exact.is_finite():
        return str(value)
    whole = len(str(abs(int(exact))))
    if whole > digits:
        return f"{exact:.0f}"
    return _plain(Decimal(f"{exact:.{digits}g}"))


def two_figures(value: float | Decimal) -> str:
    """Two significant digits, without an exponent: 0.034, 85, 2100. For live numbers, so that noise writes nothing."""
    rounded = Decimal(f"{Decimal(str(value)):.2g}")
    return "0" if not rounded else _plain(rounded)


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
