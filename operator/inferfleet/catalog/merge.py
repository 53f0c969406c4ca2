"""Entries over entries: how an override is laid over a bundled entry, and what is wrong with one. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from inferfleet.catalog.entry import Entry, covers

OVERRIDE = "override"
"""Prefix of the names of sources that an override brings, so that it replaces no bundled one."""
_UNION = ("literal[", "constrained-", "int", "str", "float")
"""What pydantic puts into a path for the members of a union, which nobody wrote."""


class CatalogError(ValueError):
    """A file of the catalog is wrong; the message says where and what to do."""


def merged(base: Mapping[str, Any] | None, over: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Maps are merged key by key, everything else is replaced; sources of `over` are of what it sets alone."""
    if base is None or over is None:
        return over or base or {}
    return {**_deep(base, _content(over)), "sources": _sources(base, over)}


def problems(entry: Entry, over: Mapping[str, Any] | None) -> list[str]:
    """Sentences: numbers without a source, sources of nothing, overridden numbers with the old source."""
    found = [f"{path}: has no source; {_advice(path)}" for path in entry.unsourced()]
    numbers, fields = entry.numbers(), _fields(entry)
    for name, source in entry.sources.items():
        unknown = [f for f in source.covers if not any(covers(f, path) for path in fields)]
        found += [f"{_as_given(f'sources.{name}')}.for: the entry does not have {field}" for field in unknown]
    if over is not None and not found:
        own = _own(entry, over)
        found += [
            f"{path}: is overridden, but its source is not; {_advice(path)}"
            for path in _paths(_content(over), "")
            if path in numbers and entry.source_of(path) not in own
        ]
    return found


def explain(where: str, name: str, error: ValidationError, entry: type[BaseModel]) -> str:
    """One line for each field that is wrong."""
    lines = []
    for problem in error.errors(include_url=False):
        path = ".".join(str(part) for part in problem["loc"] if not str(part).startswith(_UNION))
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = f"there is no such field{_hint(str(problem['loc'][-1]), entry, problem['loc'][:-1])}"
        elif problem["type"] == "missing":
            message = "must be given"
        lines.append(f"{where}: entry {name}: {_as_given(path) or 'as a whole'}: {message}")
    return "\n".join(dict.fromkeys(lines))


def _as_given(path: str) -> str:
    """Without the prefix that keeps sources of an override apart."""
    return path.replace(f"sources.{OVERRIDE}-", "sources.", 1)


def _hint(key: str, entry: type[BaseModel], parents: tuple[Any, ...]) -> str:
    """For a misspelt key; only at the top, where the fields are known without the data."""
    if parents:
        return ""
    fields = sorted(field.alias or name for name, field in entry.model_fields.items())
    near = get_close_matches(key, fields, 1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(fields)}"


def _advice(path: str) -> str:
    return f'add one under sources, such as mine: {{for: [{path}], text: ..., asOf: "2026-11-20", mark: Declared}}'


def _content(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if key not in ("name", "sources")}


def _deep(base: Any, over: Any) -> Any:
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    return {**base, **{key: _deep(base[key], value) if key in base else value for key, value in over.items()}}


def _sources(base: Mapping[str, Any], over: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of both; what is not a map is left for the validation to refuse."""
    given = over.get("sources") or {}
    if not isinstance(given, Mapping):
        return {**base.get("sources", {}), OVERRIDE: given}
    fields = list(_paths(_content(over), ""))
    own = {f"{OVERRIDE}-{name}": _spread(source, fields) for name, source in given.items()}
    return {**base.get("sources", {}), **own}


def _spread(source: Any, fields: list[str]) -> Any:
    """Of each field that the override sets by itself: more precise than what the bundled sources say."""
    if not isinstance(source, Mapping) or not isinstance(said := source.get("for", [""]), list):
        return source
    set_here = [field for field in fields if any(not f or covers(f, field) for f in said)]
    return {**source, "for": set_here + [f for f in said if f and not any(covers(f, field) for field in fields)]}


def _own(entry: Entry, over: Mapping[str, Any]) -> list[Any]:
    """Sources that the override itself brought."""
    names = over.get("sources") or {}
    return [s for key, s in entry.sources.items() if key in names or key.removeprefix(f"{OVERRIDE}-") in names]


def _fields(entry: Entry) -> list[str]:
    """Paths of everything that the entry has, defaults included."""
    return list(_paths(entry.model_dump(mode="json", by_alias=True, exclude={"sources"}), ""))


def _paths(value: Any, path: str) -> Iterator[str]:
    """Of the leaves of raw YAML."""
    items: Iterable[tuple[Any, Any]]
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        yield path
        return
    for key, below in items:
        yield from _paths(below, f"{path}.{key}" if path else str(key))
