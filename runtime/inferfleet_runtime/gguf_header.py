"""The head of a GGUF file: its metadata and what its tensors are. Reads the one file, and no weights.

`gguf.GGUFReader` makes arrays of everything; this takes a fraction of its time. The format: ggml's docs/gguf.md.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from gguf import GGMLQuantizationType

from inferfleet_runtime.errors import CommandError

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_VERSIONS = (2, 3)
_LONGEST = 2**30
"""Bytes of one text or array; a damaged file must not ask for more memory than there is."""


@dataclass(frozen=True)
class Header:
    """What a GGUF file says of itself. Arrays are left out."""

    metadata: Mapping[str, Any]
    tensor_types: frozenset[str]
    """Names such as F16 or Q4_0; one this release does not know is `type 99`."""

    def of_architecture(self, key: str) -> Any:
        """A value whose key begins with the architecture's name, such as `block_count`; None where there is none."""
        return self.metadata.get(f"{self.metadata.get('general.architecture')}.{key}")


def read_header(path: Path) -> Header:
    """Raises CommandError for a file that is damaged, cut short or of another format."""
    try:
        with path.open("rb") as file:
            return _Reader(file).header()
    except (struct.error, ValueError, OSError) as error:
        raise CommandError(f"{path}: not a GGUF file that can be read ({error}); give a source that is one") from error


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def header(self) -> Header:
        if self._file.read(4) != b"GGUF":
            raise ValueError("it does not begin as one")
        version, tensors, keys = self._scalar("I"), self._scalar("Q"), self._scalar("Q")
        if version not in _VERSIONS:
            raise ValueError(f"version {version}")
        metadata: dict[str, Any] = {}
        for _ in range(keys):
            key, kind = self._text(), self._scalar("I")
            metadata[key] = self._value(kind)
        found = frozenset(self._tensor_type() for _ in range(tensors))
        return Header({key: value for key, value in metadata.items() if value is not None}, found)

    def _tensor_type(self) -> str:
        self._text()
        self._file.seek(8 * self._scalar("I"), 1)  # its dimensions
        number = self._scalar("I")
        self._file.seek(8, 1)  # where it lies
        known = {kind.value: kind.name for kind in GGMLQuantizationType}
        return known.get(number, f"type {number}")

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY:
            return self._scalar(self._format(kind))
        inner, length = self._scalar("I"), self._scalar("Q")
        if inner == _STRING:
            for _ in range(length):
                self._file.seek(self._length(), 1)
        else:
            self._file.seek(self._checked(length * struct.calcsize(self._format(inner))), 1)
        return None

    @staticmethod
    def _format(kind: int) -> str:
        if kind not in _SCALARS:
            raise ValueError(f"a value of kind {kind}")
        return _SCALARS[kind]

    def _scalar(self, kind: str) -> Any:
        layout = f"<{kind}"
        return struct.unpack(layout, self._file.read(struct.calcsize(layout)))[0]

    def _length(self) -> int:
        return self._checked(self._scalar("Q"))

    @staticmethod
    def _checked(length: int) -> int:
        if length > _LONGEST:
            raise ValueError("a length beyond reason")
        return length

    def _text(self) -> str:
        return self._file.read(self._length()).decode(errors="replace")
