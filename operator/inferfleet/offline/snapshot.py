"""What a cluster knew at one moment, as a file: nodes, placements, measured capacities, observed demand. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml

from inferfleet.api.base import timestamp
from inferfleet.fleet.types import Key, Obj

FORMAT = "inferfleet/v1"
_KINDS = ("Node", "Namespace", "HardwarePool", "WorkloadClass", "Model", "CapacityProfile", "Deployment")


class SnapshotError(ValueError):
    """A file that is no snapshot; the message says what is wrong, where, and what to do."""


@dataclass(frozen=True)
class SeenDemand:
    """Demand of one workload as it was observed."""

    namespace: str
    model: str
    class_: str
    tokens_per_second: float
    """Of the class's unit."""
    source: str


@dataclass(frozen=True)
class Snapshot:
    """Objects as a cluster had them, without what nothing decides on."""

    taken_at: datetime
    objects: tuple[Obj, ...]
    demand: tuple[SeenDemand, ...] = ()

    def of(self, kind: str) -> dict[Key, Obj]:
        """By namespace and name."""
        return {
            (o["metadata"].get("namespace", ""), o["metadata"]["name"]): o for o in self.objects if o["kind"] == kind
        }


def to_json(snapshot: Snapshot) -> dict[str, Any]:
    """As it is written; objects by kind, namespace and name."""
    return {
        "snapshot": FORMAT,
        "takenAt": timestamp(snapshot.taken_at),
        "demand": [
            {
                "namespace": d.namespace,
                "model": d.model,
                "class": d.class_,
                "tokensPerSecond": d.tokens_per_second,
                "source": d.source,
            }
            for d in sorted(snapshot.demand, key=lambda d: (d.namespace, d.model, d.class_))
        ],
        "objects": sorted(snapshot.objects, key=_place),
    }


def _place(obj: Obj) -> tuple[int, str, str]:
    metadata = obj["metadata"]
    return _KINDS.index(obj["kind"]), metadata.get("namespace", ""), metadata["name"]


def dump(snapshot: Snapshot, output: str) -> str:
    """As YAML or JSON text."""
    if output == "json":
        return json.dumps(to_json(snapshot), indent=1) + "\n"
    text: str = yaml.safe_dump(to_json(snapshot), sort_keys=False, allow_unicode=True, width=120)
    return text


def load(file: str, text: str) -> Snapshot:
    """Of a file's text. Raises SnapshotError in the form `file:line: ...`."""
    value = _parsed(file, text)
    if not isinstance(value, dict) or value.get("snapshot") != FORMAT:
        raise SnapshotError(
            f"{file}:1: not a snapshot (snapshot: {FORMAT} is missing); make one with inferfleet snapshot"
        )
    objects = [_object(file, i, o) for i, o in enumerate(_listed(file, value, "objects"))]
    demand = [_observed(file, i, d) for i, d in enumerate(_listed(file, value, "demand"))]
    return Snapshot(_time(file, value.get("takenAt")), tuple(objects), tuple(demand))


def _parsed(file: str, text: str) -> Any:
    try:
        if text.lstrip()[:1] == "{":
            return json.loads(text)
        return yaml.load(text, Loader=_plain())  # noqa: S506  safe: a subclass of the safe loader
    except json.JSONDecodeError as error:
        raise SnapshotError(f"{file}:{error.lineno}: not JSON: {error.msg}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SnapshotError(f"{file}:{line}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise SnapshotError(f"{file}:1: not YAML: {error}") from error


def _plain() -> type[yaml.SafeLoader]:
    """Of which dates stay text, as in JSON."""

    class Plain(yaml.SafeLoader):
        pass

    Plain.yaml_implicit_resolvers = {
        key: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for key, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return Plain


def _listed(file: str, value: Mapping[str, Any], name: str) -> Iterable[Any]:
    found = value.get(name, [])
    if not isinstance(found, list):
        raise SnapshotError(f"{file}: {name}: must be a list")
    return found


def _object(file: str, i: int, value: Any) -> Obj:
    metadata = value.get("metadata") if isinstance(value, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise SnapshotError(f"{file}: objects[{i}]: must be an object with kind and metadata.name")
    if value.get("kind") not in _KINDS:
        raise SnapshotError(f"{file}: objects[{i}]: kind must be one of {', '.join(_KINDS)}, not {value.get('kind')}")
    if value["kind"] == "Model" and not _has_workloads(value.get("spec")):
        raise SnapshotError(f"{file}: objects[{i}]: spec.workloads: must be a list of workloads")
    found: Obj = value
    return found


def _has_workloads(spec: Any) -> bool:
    workloads = spec.get("workloads") if isinstance(spec, dict) else None
    return isinstance(workloads, list) and all(isinstance(w, dict) for w in workloads)


def _observed(file: str, i: int, value: Any) -> SeenDemand:
    try:
        speed = float(value["tokensPerSecond"])
        namespace, model, class_ = (str(value[name]) for name in ("namespace", "model", "class"))
    except (TypeError, KeyError, ValueError):
        fields = "namespace, model, class and tokensPerSecond"
        raise SnapshotError(f"{file}: demand[{i}]: must have {fields}") from None
    if not 0 <= speed < float("inf"):
        raise SnapshotError(f"{file}: demand[{i}].tokensPerSecond: must not be negative")
    return SeenDemand(namespace, model, class_, speed, str(value.get("source", "")))


def _time(file: str, value: Any) -> datetime:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise SnapshotError(f"{file}: takenAt: must be a time such as 2026-11-20T08:00:00Z, not {value}")
    return found
