"""What the operator would say in conditions about objects that the API server accepts. Pure.

Asks the operator's own functions, with the files as the cluster. What may be there and not in the files (nodes,
namespaces, other pools and classes) is given the benefit of the doubt, where it matters, and named.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from inferfleet import names
from inferfleet.api.base import GROUP, VERSION, Condition
from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.catalog.loader import Catalog
from inferfleet.fleet.acceptance import class_verdicts, pool_verdicts
from inferfleet.fleet.observe import Stores, observe, read_classes, read_pools
from inferfleet.fleet.types import Blocked, Obj, Problem, Valid
from inferfleet.fleet.unobeyed import CLASS_FIELDS, unobeyed
from inferfleet.fleet.validate import validate
from inferfleet.lint.sort import Ours
from inferfleet.lint.types import Path
from inferfleet.names import Cond, Reason
from inferfleet.planning.choose import choose
from inferfleet.settings import Settings

_FIELD = re.compile(r"spec(\.[A-Za-z0-9]+)+")
_EPOCH = datetime.fromtimestamp(0, UTC)
ENDLESS = 1_000_000
"""Replicas that a pool is taken to have room for, since its nodes are not in the files."""
_SETTINGS = Settings(runtime_image="")


@dataclass(frozen=True)
class Advice:
    """A warning about one object."""

    about: Ours
    path: Path
    reason: str
    message: str


@dataclass(frozen=True)
class Known:
    """What the cluster would have beside the files."""

    catalog: Catalog
    classes: Mapping[str, WorkloadClassSpec]
    """WorkloadClasses that the chart installs."""


def advise(objects: Sequence[Ours], namespaces: Iterable[Obj], known: Known) -> Iterator[Advice]:
    """About objects without errors."""
    yield from _twice(objects)
    by_kind: dict[str, dict[tuple[str, str], Ours]] = defaultdict(dict)
    for one in objects:
        by_kind[one.definition.kind][_key(one)] = one
    stores = _stores(by_kind, namespaces, known)
    yield from _pools(by_kind["HardwarePool"], stores, known.catalog)
    yield from _classes(by_kind["WorkloadClass"], stores, known.catalog)
    for key, model in by_kind["Model"].items():
        yield from _model(model, key, stores, known)
    yield from _services(by_kind["Model"])


def _key(one: Ours) -> tuple[str, str]:
    namespace, name = one.key
    return (namespace or "default", name) if one.definition.namespaced else ("", name)


def _twice(objects: Sequence[Ours]) -> Iterator[Advice]:
    """In one folder, whose files are applied together; the same name in another is often another cluster's."""
    first: dict[tuple[str, str, tuple[str, str]], Ours] = {}
    for one in objects:
        folder = one.document.file.rpartition("/")[0]
        before = first.setdefault((folder, one.definition.kind, _key(one)), one)
        if before is not one and one.key[1]:
            place = f"{before.document.file}:{before.document.position(()).line}"
            yield Advice(one, ("metadata", "name"), "GivenTwice", f"also in {place}; what is applied last counts")


def _stores(by_kind: Mapping[str, Mapping[tuple[str, str], Ours]], namespaces: Iterable[Obj], known: Known) -> Stores:
    def raw(kind: str) -> dict[tuple[str, str], Obj]:
        return {key: _with_uid(one.document.value, key) for key, one in by_kind.get(kind, {}).items()}

    bundled = {("", name): _class(name, spec) for name, spec in known.classes.items()}
    return Stores(
        namespaces={("", obj["metadata"]["name"]): obj for obj in namespaces},
        models=raw("Model"),
        classes=bundled | raw("WorkloadClass"),
        pools=raw("HardwarePool"),
    )


def _with_uid(obj: Obj, key: tuple[str, str]) -> Obj:
    metadata = {"uid": "not-created", **obj["metadata"], "namespace": key[0], "name": key[1]}
    return {**obj, "metadata": {name: value for name, value in metadata.items() if value is not None}}


def _class(name: str, spec: WorkloadClassSpec) -> Obj:
    body = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    metadata = {"name": name}
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": "WorkloadClass", "metadata": metadata, "spec": body}


def _pools(pools: Mapping[tuple[str, str], Ours], stores: Stores, catalog: Catalog) -> Iterator[Advice]:
    verdicts = pool_verdicts(read_pools(stores), (), catalog)
    for (_, name), pool in pools.items():
        yield from _conditions(pool, verdicts[name].conditions)


def _classes(classes: Mapping[tuple[str, str], Ours], stores: Stores, catalog: Catalog) -> Iterator[Advice]:
    specs = read_classes(stores)
    verdicts = class_verdicts(specs, catalog)
    for (_, name), class_ in classes.items():
        yield from _conditions(class_, verdicts[name].conditions)
        spec = specs[name]
        if isinstance(spec, WorkloadClassSpec):
            for field, is_given in CLASS_FIELDS:
                if is_given(spec):
                    yield _not_obeyed(class_, f"spec.{field.path}", field.instead)


def _conditions(about: Ours, conditions: Iterable[Condition]) -> Iterator[Advice]:
    for condition in conditions:
        if condition.status == "False":
            field = ("spec", "slo") if condition.type == Cond.SLO_CONSISTENT else _path(condition.message)
            yield Advice(about, field, condition.reason, condition.message)


def _not_obeyed(about: Ours, field: str, instead: str) -> Advice:
    message = f"{field} has no effect in this release: {instead}"
    return Advice(about, _path(field), Reason.FIELDS_NOT_OBEYED_YET, message)


def _path(text: str) -> Path:
    """Of the first field that a message names."""
    found = _FIELD.search(text)
    return tuple(found[0].split(".")) if found else ("spec",)


def _model(model: Ours, key: tuple[str, str], stores: Stores, known: Known) -> Iterator[Advice]:
    seen = observe(key, stores, _EPOCH, 0.0)
    if seen is None:
        return
    found = validate(seen, known.catalog, _SETTINGS)
    if isinstance(found, Problem):
        yield Advice(model, _path(found.message), found.reason, found.message)
        return
    for i, item in enumerate(found):
        yield from _workload(model, i, item, in_files=("", key[0]) in stores.namespaces)
    if not isinstance(seen.spec, Problem):
        for field, instead in unobeyed(seen.spec, {}, _SETTINGS):
            yield _not_obeyed(model, field, instead)


def _workload(model: Ours, i: int, item: Valid | Blocked, *, in_files: bool) -> Iterator[Advice]:
    path: Path = ("spec", "workloads", i, "class")
    if isinstance(item, Valid):
        yield from _candidates(model, path, item, in_files=in_files)
        return
    reason, message = item.problem.reason, item.problem.message
    if reason == Reason.CLASS_NOT_FOUND:
        message = (
            f"WorkloadClass {item.class_} is neither in the files nor one of the chart's: it must be in the cluster"
        )
    if reason != Reason.CLASS_NOT_ALLOWED or in_files:
        yield Advice(model, path, reason, message)


def _candidates(model: Ours, path: Path, item: Valid, *, in_files: bool) -> Iterator[Advice]:
    """Whether any pool of the files could serve the workload if it had the room."""
    pools = tuple(replace(pool, free=ENDLESS, allowed=pool.allowed or not in_files) for pool in item.question.pools)
    if not pools:
        return
    answer = choose(replace(item.question, pools=pools))
    if answer.chosen is None:
        yield Advice(model, path, answer.reason, f"{item.workload.class_}: {answer.message}")


def _services(models: Mapping[tuple[str, str], Ours]) -> Iterator[Advice]:
    """Two workloads whose Services would have one name: the operator refuses the second."""
    taken: dict[tuple[str, str], str] = {}
    for (namespace, name), model in models.items():
        for i, workload in enumerate(model.document.value["spec"]["workloads"]):
            service = names.service_name(name, workload["class"])
            mine = f"Model {name} with class {workload['class']}"
            other = taken.setdefault((namespace, service), mine)
            if other != mine:
                message = f"its Service would be called {service}, and so would that of {other}: rename one"
                yield Advice(model, ("spec", "workloads", i, "class"), Reason.NAME_CONFLICT, message)
