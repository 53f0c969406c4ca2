"""What the operator would say in conditions about objects that the API server accepts. Pure.

Asks the operator's own functions, with the files as the cluster. What may be there and not in the files (nodes,
namespaces, other pools and classes) is given the benefit of the doubt, where it matters, and named.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from inferfleet import names
from inferfleet.api.base import GROUP, VERSION, Condition
from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.catalog.loader import Catalog
from inferfleet.fleet.acceptance import class_verdicts, pool_verdicts
from inferfleet.fleet.observe import Stores, common, observe, read_classes, read_pools
from inferfleet.fleet.types import Blocked, Obj, PoolView, Problem, Valid
from inferfleet.fleet.unobeyed import CLASS_FIELDS, unobeyed
from inferfleet.fleet.validate import validate
from inferfleet.lint import references
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


def advise(
    objects: Sequence[Ours], namespaces: Iterable[Obj], known: Known, broken: Iterable[Ours] = ()
) -> Iterator[Advice]:
    """About objects without errors. Of `broken` ones only the names count."""
    yield from _twice(objects)
    by_kind: dict[str, dict[tuple[str, str], Ours]] = defaultdict(dict)
    for one in objects:
        by_kind[one.definition.kind][_key(one)] = one
    stores = _stores(by_kind, namespaces, known)
    yield from _pools(by_kind["HardwarePool"], stores, known.catalog)
    yield from _classes(by_kind["WorkloadClass"], stores, known.catalog)
    classes = {name for _, name in stores.classes} | {b.key[1] for b in broken if b.definition.kind == "WorkloadClass"}
    stores = replace(stores, common=common(stores, _EPOCH, 0.0))
    for key, model in by_kind["Model"].items():
        yield from _model(model, (key, classes), stores, known)
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
    views = read_pools(stores)
    verdicts = pool_verdicts({name: _with_known_engines(view, catalog) for name, view in views.items()}, (), catalog)
    for (_, name), pool in pools.items():
        found: list[Advice] = []
        if isinstance(view := views[name], PoolView):
            found = [_of_name(pool, unknown) for unknown in references.of_pool(view.spec, catalog)]
            found += _unpriced(pool, view)
        yield from _each_once(found, _conditions(pool, verdicts[name].conditions))


def _with_known_engines(view: PoolView | Problem, catalog: Catalog) -> PoolView | Problem:
    """What else is wrong would come second: the engines are told already."""
    if isinstance(view, Problem) or not view.spec.engines:
        return view
    engines = [engine for engine in view.spec.engines if engine in catalog.engines]
    return replace(view, spec=view.spec.model_copy(update={"engines": engines or None}))


def _unpriced(pool: Ours, view: PoolView) -> Iterator[Advice]:
    """Told also where the accelerator is unknown, at which the operator stops."""
    if view.spec.price is None and view.spec.external is None:
        yield Advice(pool, ("spec",), Reason.NO_PRICE, "without spec.price nothing can be placed here")


def _classes(classes: Mapping[tuple[str, str], Ours], stores: Stores, catalog: Catalog) -> Iterator[Advice]:
    specs = read_classes(stores)
    verdicts = class_verdicts(specs, catalog)
    for (_, name), class_ in classes.items():
        spec, found = specs[name], list[Advice]()
        if isinstance(spec, WorkloadClassSpec):
            found = [_of_name(class_, unknown) for unknown in references.of_class(spec, catalog)]
            found += [
                _not_obeyed(class_, f"spec.{f.path}", f.instead) for f, is_given in CLASS_FIELDS if is_given(spec)
            ]
        yield from _each_once(found, _conditions(class_, verdicts[name].conditions))


def _of_name(about: Ours, unknown: references.Unknown) -> Advice:
    return Advice(about, unknown.path, unknown.reason, unknown.message)


def _each_once(found: Sequence[Advice], more: Iterable[Advice]) -> Iterator[Advice]:
    """What is found by itself, and what the operator would add: it names the first of a kind."""
    told = {advice.reason for advice in found}
    yield from found
    yield from (advice for advice in more if advice.reason not in told)


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


def _model(
    model: Ours, place: tuple[tuple[str, str], Collection[str]], stores: Stores, known: Known
) -> Iterator[Advice]:
    """`place`: its key, and the names of the classes that there are."""
    key, classes = place
    seen = observe(key, stores, _EPOCH, 0.0)
    if seen is None:
        return
    found: list[Advice] = []
    if not isinstance(seen.spec, Problem):
        found = [_of_name(model, unknown) for unknown in references.of_model(seen.spec, known.catalog, classes)]
        found += [_not_obeyed(model, field, instead) for field, instead in unobeyed(seen.spec, {}, _SETTINGS)]
    in_files = ("", key[0]) in stores.namespaces
    planned = validate(seen, known.catalog, _SETTINGS)
    if isinstance(planned, Problem):
        problem = Advice(model, _path(planned.message), planned.reason, planned.message)
        yield from _each_once(found, [problem])
        return
    yield from found
    for i, item in enumerate(planned):
        yield from _workload(model, i, (item, known.catalog), in_files=in_files)


def _workload(model: Ours, i: int, planned: tuple[Valid | Blocked, Catalog], *, in_files: bool) -> Iterator[Advice]:
    path: Path = ("spec", "workloads", i, "class")
    item, catalog = planned
    if isinstance(item, Valid):
        yield from _candidates(model, path, item, catalog, in_files=in_files)
        return
    reason, message = item.problem.reason, item.problem.message
    if reason != Reason.CLASS_NOT_FOUND and (reason != Reason.CLASS_NOT_ALLOWED or in_files):
        yield Advice(model, path, reason, message)


def _candidates(model: Ours, path: Path, item: Valid, catalog: Catalog, *, in_files: bool) -> Iterator[Advice]:
    """Whether any pool of the files could serve the workload if it had the room, wrong names left out."""
    asked = item.question
    variants = tuple(v for v in asked.variants if v.quantization in catalog.quantizations)
    pools = tuple(
        replace(pool, free=ENDLESS, quota=None, allowed=pool.allowed or not in_files)
        for pool in asked.pools
        if pool.external or (pool.accelerator and (set(pool.engines) & set(catalog.engines)))
    )
    if not pools or not variants:
        return
    answer = choose(replace(asked, pools=pools, variants=variants))
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
