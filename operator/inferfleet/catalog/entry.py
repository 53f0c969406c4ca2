"""What all entries of the catalog share: a name, and for every number where it comes from and when. Pure."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from inferfleet.api.strings import Date

Mark = Literal["Verified", "Secondary", "Derived", "Measured", "Unverified", "Chosen", "Declared"]
"""How sure a number is: read at its origin; read elsewhere; computed (the text says how); measured (the text says
on what); common knowledge that nobody checked; a choice of this project; said by whoever runs this fleet."""
Absent = Literal["NotPublished", "NotFound", "NotVerified", "NotApplicable"]
"""Instead of a number: the vendor gives none; looked for in vain; not looked for or contradictory; makes no sense."""


def _value(raw: Any) -> Any:
    if raw in get_args(Absent):
        return raw
    try:
        found = 0.0 if isinstance(raw, bool) else float(raw)
    except (TypeError, ValueError):
        found = 0.0
    if not 0 < found < float("inf"):
        raise ValueError(f"must be a number above 0, or one of {', '.join(get_args(Absent))}")
    return found


Value = Annotated[float | Absent, BeforeValidator(_value)]
"""A number above 0, or why there is none."""


def _date(raw: Any) -> Any:
    """YAML reads a date without quotes as one."""
    return raw.isoformat() if isinstance(raw, date) else raw


class Part(BaseModel):
    """Base of everything in the catalog's files: frozen, camelCase, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False
    )


class Source(Part):
    """Where numbers come from."""

    text: Annotated[str, Field(min_length=1)]
    """Enough to find it again."""
    as_of: Annotated[Date, BeforeValidator(_date)]
    """Day on which the number was true or read."""
    mark: Mark
    covers: Annotated[tuple[str, ...], Field(alias="for")] = ()
    """Fields as written in the file, with dots for nesting, such as `operations.FP8`; a field covers what is below
    it. Empty: every number of the entry that no other source names."""


class Entry(Part):
    """One named entry."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    sources: Mapping[str, Source] = {}
    """By a short name. Of equally precise ones the last counts, so that an override's source is the one shown."""

    def source_of(self, path: str) -> Source | None:
        """The most precise source of a field."""
        best = max(enumerate(self.sources.values()), key=lambda s: (_precision(s[1], path), s[0]), default=None)
        return best[1] if best and _precision(best[1], path) >= 0 else None

    def numbers(self) -> Mapping[str, Any]:
        """Every number that the entry gives, by path."""
        return {path: value for path, value in _leaves(self, "") if path.split(".")[0] != "sources"}

    def unsourced(self) -> list[str]:
        """Paths of the numbers without a source."""
        return [path for path in self.numbers() if self.source_of(path) is None]


def number(value: Value | None) -> float | None:
    """The number, or None where there is none."""
    return value if isinstance(value, float | int) else None


def covers(pattern: str, path: str) -> bool:
    """Whether a field named in a source is this path or holds it."""
    return path == pattern or path.startswith(f"{pattern}.")


def _precision(source: Source, path: str) -> int:
    """-1: says nothing of it; 0: of the whole entry; else the length of the field that it names."""
    if not source.covers:
        return 0
    return max((len(field) for field in source.covers if covers(field, path)), default=-1)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, BaseModel):  # not its dump, which turns durations and money into strings
        fields = type(value).model_fields
        value = {fields[name].alias or name: getattr(value, name) for name in fields if name in value.model_fields_set}
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _leaves(below, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for index, below in enumerate(value):
            yield from _leaves(below, f"{path}.{index}")
    elif isinstance(value, int | float | Decimal | timedelta) and not isinstance(value, bool):
        yield path, value
