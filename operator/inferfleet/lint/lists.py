"""Lists that are sets or maps hold no element twice. Pure.

As `listtype` of apiextensions-apiserver 1.36: of equal elements the second is told.
"""

from collections.abc import Iterator

from inferfleet.lint.gotext import bad, compact
from inferfleet.lint.strict import schema_of
from inferfleet.lint.types import Fault, Json, Path, Schema


def check(value: Json, schema: Schema | None, path: Path = (), name: str = "") -> Iterator[Fault]:
    """Everywhere in a value."""
    if schema is None:
        return
    if isinstance(value, list):
        yield from _list(value, schema, path, name)
        for i, item in enumerate(value):
            yield from check(item, schema.get("items"), (*path, i), f"{name}[{i}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            known = key in schema.get("properties", {})
            inner = (f"{name}.{key}" if name else key) if known else f"{name}[{key}]"
            yield from check(item, schema_of(key, schema), (*path, key), inner)


def _list(value: list[Json], schema: Schema, path: Path, name: str) -> Iterator[Fault]:
    kind = schema.get("x-kubernetes-list-type")
    if kind == "set":
        yield from _repeated(value, path, name)
    elif kind == "map":
        for i, item in enumerate(value):
            if item is not None and not isinstance(item, dict):
                told = f"Invalid value: {bad(item)}: must be an object for an array of list-type map"
                yield Fault((*path, i), f"{name}[{i}]", told)
                return
        keys = schema["x-kubernetes-list-map-keys"]
        yield from _repeated([{key: item[key] for key in keys if key in (item or {})} for item in value], path, name)


def _repeated(values: list[Json], path: Path, name: str) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for i, value in enumerate(values):
        exact = compact(value)
        seen[exact] = seen.get(exact, 0) + 1
        if seen[exact] == 2:
            yield Fault((*path, i), f"{name}[{i}]", f"Duplicate value: {bad(value)}")
