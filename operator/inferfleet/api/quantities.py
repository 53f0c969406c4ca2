"""Strings of the API (durations, quantities, money) to numbers and back. Pure.

Each `parse_*` raises ValueError with what was wrong; pydantic turns that into a field error. The patterns are the
CRD's; durations and decimals are read in the wider form of release 0.1.0, since what it stored stays stored.
"""

import re
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from inferfleet.api.strings import MESSAGE

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
DURATION_PATTERN = r"^([0-9]{1,9}(\.[0-9]{1,6})?m?s|[0-9]{1,5}(\.[0-9]{1,6})?[mh]){1,4}$"
"""Minutes and hours have fewer digits: CEL's durations end at about 2.5 million of them."""
QUANTITY_PATTERN = r"^[+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]{1,2})?$"
DECIMAL_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,9})?$"
MAX_LENGTH = 24
_STORED_DURATION = r"([0-9]{1,9}(\.[0-9]{1,6})?(ms|s|m|h)){1,4}"
_STORED_DECIMAL = r"[0-9]+(\.[0-9]+)?"
SPEED_PATTERN = r"^[0-9]{0,18}[1-9][0-9]{0,18}(\.[0-9]{1,9})?(e[+]?[0-9]{1,2})?$"
FRACTION_PATTERN = r"^0\.[0-9]{0,3}[1-9][0-9]{0,3}$"

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SUFFIX = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}


def parse_duration(value: Any) -> timedelta:
    """`1m30s`, `150ms`, `24h` to a timedelta."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or len(value) > MAX_LENGTH or not re.fullmatch(_STORED_DURATION, value):
        raise ValueError(f"{value!r} is not a duration such as 150ms, 30s or 24h")
    return timedelta(seconds=sum(float(n) * _UNIT_SECONDS[u] for n, u in _DURATION.findall(value)))


def format_duration(value: timedelta) -> str:
    """The shortest exact form in one unit."""
    milliseconds = round(value.total_seconds() * 1000)
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


def parse_quantity(value: Any) -> Decimal:
    """A Kubernetes quantity (`500m`, `2Gi`, `1.5`) to a number of base units."""
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return Decimal(str(value))
    if not isinstance(value, str) or len(value) > MAX_LENGTH or not (found := re.fullmatch(QUANTITY_PATTERN, value)):
        raise ValueError(f"{value!r} is not a quantity such as 500m, 2 or 4Gi")
    number, suffix = found[1], found[3] or ""
    return Decimal(number) * _SUFFIX[suffix] if suffix in _SUFFIX else Decimal(number + suffix)


def format_cpu(cores: Decimal) -> str:
    """Canonical form of a CPU quantity, as the API server would write it: `500m` or `2`."""
    milli = int(cores * 1000)
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"


def format_bytes(size: int) -> str:
    """As the API server would write it: the largest binary suffix that divides it, else the largest decimal one."""
    for suffix in ("Ti", "Gi", "Mi", "Ki", "T", "G", "M", "k"):
        if size and size % int(_SUFFIX[suffix]) == 0:
            return f"{size // int(_SUFFIX[suffix])}{suffix}"
    return str(size)


def two_digits(value: float) -> int:
    """Rounded to two significant digits, so that noise writes nothing."""
    return int(float(f"{value:.2g}"))


def human_bytes(size: float) -> str:
    """For messages: three significant digits, decimal units."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def parse_decimal(value: Any) -> Decimal:
    """A plain decimal string such as `0.40`; floats are refused, since they do not survive a round trip."""
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str) or len(value) > MAX_LENGTH or not re.fullmatch(_STORED_DECIMAL, value):
        raise ValueError(f'{value!r} is not a decimal string such as "0.40"')
    try:
        return Decimal(value)
    except InvalidOperation as error:  # pragma: no cover - the pattern admits none
        raise ValueError(str(error)) from error


def parse_speed(value: Any) -> Decimal:
    """A decimal string above 0 that may have an exponent, such as `3.35e12`."""
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str) or not re.fullmatch(SPEED_PATTERN, value):
        raise ValueError(f'{value!r} is not a number above 0 as a string such as "3.35e12"')
    return Decimal(value)


def parse_fraction(value: Any) -> Decimal:
    """A decimal string between 0 and 1, both excluded."""
    if isinstance(value, str) and not re.fullmatch(FRACTION_PATTERN, value):
        raise ValueError(f'{value!r} is not a fraction such as "0.8"')
    return parse_decimal(value)


def _parse_bytes(value: Any) -> int:
    return int(parse_quantity(value))


_DURATION_MESSAGE = "must be a duration such as 150ms, 30s or 24h"
_MONEY_MESSAGE = 'must be USD as a decimal string such as "0.40", not negative'
_DECIMAL_MESSAGE = 'must be a number as a string such as "0.8", not negative'
_FRACTION_MESSAGE = 'must be a fraction between 0 and 1 as a string, such as "0.8"'
_QUANTITY_MESSAGE = "must be a quantity such as 500m, 2 or 4Gi"


def _string(pattern: str, example: str, message: str) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "string", "pattern": pattern, "maxLength": MAX_LENGTH, "examples": [example], MESSAGE: message}
    )


def _int_or_string(pattern: str, example: str, message: str) -> WithJsonSchema:
    schema: dict[str, Any] = {
        "x-kubernetes-int-or-string": True,
        "anyOf": [{"type": "integer"}, {"type": "string"}],
    }
    return WithJsonSchema(
        {**schema, "pattern": pattern, "maxLength": MAX_LENGTH, "examples": [example], MESSAGE: message}
    )


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration),
    _string(DURATION_PATTERN, "150ms", _DURATION_MESSAGE),
]
Money = Annotated[
    Decimal,
    BeforeValidator(parse_decimal),
    PlainSerializer(str),
    _string(DECIMAL_PATTERN, "0.40", _MONEY_MESSAGE),
]
Number = Annotated[
    Decimal,
    BeforeValidator(parse_decimal),
    PlainSerializer(str),
    _string(DECIMAL_PATTERN, "0.8", _DECIMAL_MESSAGE),
]
"""A decimal string: CRDs hold no floats, whose text differs between writers."""
Speed = Annotated[
    Decimal,
    BeforeValidator(parse_speed),
    PlainSerializer(str),
    _string(SPEED_PATTERN, "3.35e12", 'must be a number above 0 as a string, such as "3.35e12"'),
]
"""Per second: a decimal string that may have an exponent."""
Fraction = Annotated[
    Decimal,
    BeforeValidator(parse_fraction),
    PlainSerializer(str),
    _string(FRACTION_PATTERN, "0.8", _FRACTION_MESSAGE),
]
Cpu = Annotated[
    Decimal,
    BeforeValidator(parse_quantity),
    PlainSerializer(format_cpu),
    _int_or_string(QUANTITY_PATTERN, "500m", _QUANTITY_MESSAGE),
]
Bytes = Annotated[
    int,
    BeforeValidator(_parse_bytes),
    PlainSerializer(format_bytes),
    _int_or_string(QUANTITY_PATTERN, "512Mi", _QUANTITY_MESSAGE),
]
