"""What users gave: objects of our kinds with their places. Frozen. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from inferfleet.fleet.types import Obj
from inferfleet.lint.types import Document, Path

ObjectKey = tuple[str, str, str]
"""Kind, namespace (empty for kinds of the cluster) and name."""


@dataclass(frozen=True)
class Given:
    """One object of the files."""

    value: Obj
    document: Document

    def position(self, path: Path) -> tuple[str, int, int]:
        """File, line and column of a value."""
        at = self.document.position(path)
        return self.document.file, at.line, at.column

    def place(self, path: Path) -> str:
        """`pools.yaml:16`."""
        file, line, _ = self.position(path)
        return f"{file}:{line}"


@dataclass(frozen=True)
class Files:
    """Objects of our kinds, and the Namespaces beside them."""

    objects: Mapping[ObjectKey, Given]
    namespaces: Mapping[str, Obj]
    notes: tuple[str, ...] = ()
    """What is odd about them."""
