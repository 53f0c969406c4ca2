"""The table of wrong manifests in `bad_input/`: what users write, and the exact lines they are told. Reads.

`bases.yaml` holds valid manifests by kind and name. `<kind>.yaml` (written by hand) and `<kind>.fields.yaml` (made by
`bad_input_fields.py`) hold cases, each a base with changes:

    - name: a sentence
      base: nodes                      # which base
      remove: [/spec/engines]          # JSON pointers
      set: {/spec/price/asOf: today}   # after the removals; `/-` at the end of a list appends
      update: true                     # the base is stored, and the changed manifest replaces it
      messages: [...]                  # sorted lines, from the newest supported Kubernetes
      messages133: [...]               # from the oldest, only where it says more than `older` knows otherwise

Long values are written as `!times [x, 64]` (64 x in one string), `!keys 17` (a map of 17 keys), `!items [17, name,
{name: a}]` (17 items like the one given, each with another name; without a key, all the same).
"""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from inferfleet.kube.kinds import Obj

FOLDER = Path(__file__).parent / "bad_input"
KINDS = ("Model", "WorkloadClass", "HardwarePool", "CapacityProfile")
_TAGS = ("!times", "!keys", "!items")


@dataclass(frozen=True)
class Case:
    """One wrong manifest."""

    name: str
    kind: str
    manifest: Obj
    old: Obj | None
    """What is stored, if the case is about an update."""
    messages: tuple[str, ...]
    """`field: message` of every cause, or the one message that has no field; sorted."""
    messages_oldest: tuple[str, ...]

    def told(self, server: str) -> tuple[str, ...]:
        """What `newest` or `oldest` says."""
        return self.messages if server == "newest" else self.messages_oldest


@dataclass(frozen=True)
class Long:
    """A value too long to be written out."""

    tag: str
    value: Any

    def expanded(self) -> Any:
        """The value itself."""
        match self.tag, self.value:
            case "!times", [str() as text, count]:
                return text * count
            case "!keys", count:
                return {f"k{i}": "v" for i in range(int(count))}
            case "!items", [count, str() as key, item]:
                return [item | {key: f"n{i}"} for i in range(count)]
            case "!items", [count, None, item]:
                return [copy.deepcopy(item) for _ in range(count)]
        raise ValueError(f"{self.tag} cannot be made of {self.value!r}")


def cases() -> list[Case]:
    """Every case of every kind."""
    known = bases()
    return [case(kind, raw, known[kind]) for kind in KINDS for file in files(kind) for raw in load(file)]


def bases() -> dict[str, dict[str, Obj]]:
    """The valid manifests by kind and name; those of a kind together have every field."""
    found: dict[str, dict[str, Obj]] = load(FOLDER / "bases.yaml")
    return found


def files(kind: str) -> tuple[Path, Path]:
    """The cases written by hand, and those made from the schema."""
    return FOLDER / f"{kind.lower()}.yaml", FOLDER / f"{kind.lower()}.fields.yaml"


def case(kind: str, raw: Mapping[str, Any], known: Mapping[str, Obj]) -> Case:
    """A case from its YAML."""
    base = known[raw["base"]]
    messages = tuple(raw.get("messages", ()))
    oldest = tuple(raw["messages133"]) if "messages133" in raw else older(messages)
    return Case(
        name=raw["name"],
        kind=kind,
        manifest=changed(base, raw.get("remove", ()), raw.get("set", {})),
        old=base if raw.get("update") else None,
        messages=messages,
        messages_oldest=oldest,
    )


def older(messages: Iterable[str]) -> tuple[str, ...]:
    """How Kubernetes 1.33 says the same, where the difference is in every such message.

    It quotes null, and has one line less about a fraction given for an integer.
    """
    kept = (m for m in messages if "Checked value must be of type" not in m)
    return tuple(sorted(m.replace("Invalid value: null:", 'Invalid value: "null":') for m in kept))


def changed(base: Obj, removed: Iterable[str], values: Mapping[str, Any]) -> Obj:
    """A copy of `base` without what is at `removed`, and with `values` at their pointers."""
    obj = copy.deepcopy(base)
    for pointer in removed:
        parent, last = _parent(obj, pointer)
        del parent[last]
    for pointer, value in values.items():
        parent, last = _parent(obj, pointer)
        if isinstance(parent, list) and last == len(parent):
            parent.append(expanded(value))
        else:
            parent[last] = expanded(value)
    return obj


def _parent(obj: Any, pointer: str) -> tuple[Any, Any]:
    """The list or map that holds what `pointer` names, and the key in it."""
    *parts, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    for part in parts:
        obj = obj[int(part)] if isinstance(obj, list) else obj[part]
    if isinstance(obj, list):
        return obj, len(obj) if last == "-" else int(last)
    return obj, last


def expanded(value: Any) -> Any:
    """A copy with every `Long` written out."""
    if isinstance(value, Long):
        return value.expanded()
    if isinstance(value, dict):
        return {key: expanded(item) for key, item in value.items()}
    return [expanded(item) for item in value] if isinstance(value, list) else value


def load(file: Path) -> Any:
    """A file of the table, with `Long` values as they are. The loader is a safe one with our tags."""
    return yaml.load(file.read_text(), _Loader)


def dump(raw: list[dict[str, Any]], head: str) -> str:
    """The text of a file of cases that `load` gives back."""
    text = yaml.dump(raw, Dumper=_Dumper, width=110, sort_keys=False, allow_unicode=False)
    return f"# {head}\n{text}"


class _Loader(yaml.SafeLoader):
    """With our tags."""


class _Dumper(yaml.SafeDumper):
    """With our tags, and without anchors, which hide what a case is."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _construct(loader: yaml.SafeLoader, node: yaml.Node) -> Long:
    if isinstance(node, yaml.ScalarNode):
        return Long(node.tag, int(node.value))
    assert isinstance(node, yaml.SequenceNode)
    return Long(node.tag, loader.construct_sequence(node, deep=True))


def _represent(dumper: yaml.SafeDumper, data: Long) -> yaml.Node:
    if isinstance(data.value, list):
        return dumper.represent_sequence(data.tag, data.value, flow_style=True)
    return dumper.represent_scalar(data.tag, str(data.value))


for _tag in _TAGS:
    _Loader.add_constructor(_tag, _construct)
_Dumper.add_representer(Long, _represent)
