"""What passes between the steps of lint. Frozen. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Json = Any
"""A JSON value: dict, list, str, int, float, bool or None."""
Schema = dict[str, Any]
Path = tuple[str | int, ...]
"""Where a value is: keys and indices from the root of its object."""
Severity = Literal["error", "warning"]

NOWHERE = "<nil>"
"""How the API server writes the field of an error that is about no field."""


@dataclass(frozen=True, order=True)
class Position:
    """A place in a file, both counted from 1."""

    line: int
    column: int


START = Position(1, 1)


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with an object, in the API server's words."""

    path: Path
    """To find the line."""
    field: str
    """As the API server writes the path; dots and brackets differ between its own checks."""
    message: str
    blocking: bool = False
    """Of a kind after which the API server evaluates no CEL rule."""

    @property
    def text(self) -> str:
        """As kubectl prints it."""
        return f"{self.field}: {self.message}" if self.field else self.message


@dataclass(frozen=True)
class Document:
    """One YAML document or JSON value of a file."""

    file: str
    value: Json
    positions: Mapping[Path, Position] = field(default_factory=dict)
    """Of every key and list item."""
    duplicates: tuple[Path, ...] = ()
    """Keys that are given more than once; the last one counted."""

    def position(self, path: Path) -> Position:
        """Of the value, or of the nearest one around it that the file has."""
        for length in range(len(path), -1, -1):
            if found := self.positions.get(path[:length]):
                return found
        return START


@dataclass(frozen=True)
class Finding:
    """A line of the report."""

    file: str
    position: Position
    severity: Severity
    object: str
    """`Model assistants/llama`, or empty where the file itself is wrong."""
    field: str
    message: str


@dataclass(frozen=True)
class Unreadable:
    """A document that is not YAML, or that kubectl could not send."""

    file: str
    position: Position
    message: str
