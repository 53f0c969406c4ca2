"""Text to documents: YAML (JSON is YAML) as kubectl reads it, with the line of every key. Pure."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from inferfleet.lint.scalars import resolve
from inferfleet.lint.types import START, Document, Json, Path, Position, Unreadable

_TAG = "tag:yaml.org,2002:"
_PLAIN = "?"
"""Tag of scalars without quotes or tag, which `scalars` resolves."""
_MERGE = "<<"
MAX_NODES = 200_000
"""Of one document with its aliases written out: a few hundred bytes of aliases can stand for gigabytes."""
TEMPLATE = (
    "not YAML, but it looks like a Helm template: render it first, for example with "
    "helm template CHART, and give what that prints as standard input (-)"
)


_Pairs = list[tuple[yaml.Node, yaml.Node]]


class _Loader(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML's composer without its own idea of what plain scalars mean."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else f"{_TAG}str"
        return f"{_TAG}map" if kind is yaml.MappingNode else f"{_TAG}seq"


class _NotJsonError(ValueError):
    """Valid YAML that has no JSON form."""

    def __init__(self, message: str, node: yaml.Node) -> None:
        super().__init__(message)
        self.position = _at(node)


@dataclass
class _Building:
    """Where the pass over one document's nodes collects what it sees."""

    positions: dict[Path, Position] = field(default_factory=dict)
    duplicates: list[Path] = field(default_factory=list)
    open: set[int] = field(default_factory=set)
    nodes: int = 0


def read(file: str, text: str) -> Iterator[Document | Unreadable]:
    """Every document of a file that is not empty; after text that is not YAML nothing more can be read."""
    try:
        # The strings of JSON hold no raw tabs, and PyYAML takes none between tokens.
        loader = _Loader(text.replace("\t", " ") if text.lstrip()[:1] in ("{", "[") else text)
        while loader.check_node():
            if (node := loader.get_node()) is not None:
                yield from _document(file, node, text)
    except yaml.YAMLError as error:
        yield Unreadable(file, _where(error, text), TEMPLATE if "{{" in text else f"not YAML: {_problem(error)}")
    except RecursionError:
        yield Unreadable(file, START, "nested too deep to be read")


def _document(file: str, node: yaml.Node, text: str) -> Iterator[Document | Unreadable]:
    building = _Building()
    try:
        value = _value(node, (), building)
    except _NotJsonError as error:
        yield Unreadable(file, error.position, TEMPLATE if "{{" in text else str(error))
        return
    if value is not None:
        document = Document(file, value, building.positions, tuple(building.duplicates))
        yield from _items(document) if _is_list(value) else (document,)


def _value(node: yaml.Node, path: Path, building: _Building) -> Json:
    building.nodes += 1
    building.positions.setdefault(path, _at(node))
    if building.nodes > MAX_NODES:
        raise _NotJsonError("its aliases stand for more than can be read", node)
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if id(node) in building.open:
        raise _NotJsonError("an alias stands for what contains it", node)
    building.open.add(id(node))
    try:
        if isinstance(node, yaml.SequenceNode):
            return [_value(item, (*path, i), building) for i, item in enumerate(node.value)]
        return _mapping(node.value, path, building)
    finally:
        building.open.discard(id(node))


def _mapping(pairs: _Pairs, path: Path, building: _Building) -> dict[str, Json]:
    own: dict[str, Json] = {}
    merged: dict[str, Json] = {}
    for key_node, value_node in pairs:
        if isinstance(key_node, yaml.ScalarNode) and key_node.tag == _PLAIN and key_node.value == _MERGE:
            merged = _merged(value_node, path, building) | merged
            continue
        key = _key(key_node)
        if key in own:
            building.duplicates.append((*path, key))
        building.positions[(*path, key)] = _at(key_node)
        own[key] = _value(value_node, (*path, key), building)
    return merged | own


def _merged(node: yaml.Node, path: Path, building: _Building) -> dict[str, Json]:
    sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
    found: dict[str, Json] = {}
    for source in sources:
        value = _value(source, path, building)
        if not isinstance(value, dict):
            raise _NotJsonError("map merge requires map or sequence of maps as the value", source)
        found = value | found
    return found


def _key(node: yaml.Node) -> str:
    key = _scalar(node) if isinstance(node, yaml.ScalarNode) else node
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, str | int | float):
        return str(key)
    raise _NotJsonError("a key must be a string, not a map, a list or null", node)


def _scalar(node: yaml.ScalarNode) -> Json:
    text = _whole(node.value)
    if node.tag == f"{_TAG}binary":
        try:
            return base64.b64decode("".join(text.split()), validate=True).decode(errors="replace")
        except (binascii.Error, ValueError):
            raise _NotJsonError("!!binary value contains invalid base64 data", node) from None
    if node.tag not in (_PLAIN, *(f"{_TAG}{name}" for name in ("int", "float", "bool", "null"))):
        return text
    try:
        return resolve(text)
    except ValueError as error:
        raise _NotJsonError(str(error), node) from None


def _whole(text: str) -> str:
    """JSON writes characters beyond 16 bits as two escapes; half of a pair becomes U+FFFD, as in Go."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _is_list(value: Json) -> bool:
    return isinstance(value, dict) and value.get("kind") == "List" and isinstance(value.get("items"), list)


def _items(document: Document) -> Iterator[Document]:
    """Of a `kind: List`, each as kubectl sends it."""
    for i, item in enumerate(document.value["items"]):
        prefix = ("items", i)
        inner = {path[2:]: at for path, at in document.positions.items() if path[:2] == prefix}
        duplicates = tuple(path[2:] for path in document.duplicates if path[:2] == prefix)
        yield replace(document, value=item, positions=inner, duplicates=duplicates)


def _at(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)


def _where(error: yaml.YAMLError, text: str) -> Position:
    if isinstance(error, ReaderError):
        before = text[: error.position]
        return Position(before.count("\n") + 1, len(before) - before.rfind("\n"))
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return Position(mark.line + 1, mark.column + 1) if mark else START


def _problem(error: yaml.YAMLError) -> str:
    if isinstance(error, ReaderError):
        code = error.character if isinstance(error.character, int) else ord(error.character)
        return f"the character {chr(code)!r} is not allowed"
    said = (getattr(error, "context", None), getattr(error, "problem", None))
    return ", ".join(part for part in said if part) or "it cannot be parsed"
