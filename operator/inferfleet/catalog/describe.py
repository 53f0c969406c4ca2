"""One entry of the catalog as text for people: what it says with units, what follows, where it is from. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from inferfleet.api.figures import figures
from inferfleet.catalog.engine_entries import GGUF, EngineEntry, Status
from inferfleet.catalog.entry import Entry, Source
from inferfleet.catalog.hardware_entries import Accelerator
from inferfleet.catalog.loader import Catalog
from inferfleet.catalog.model_entries import ModelArchitecture
from inferfleet.catalog.quantization_entries import Quantization

UNITS: Mapping[str, tuple[float, str]] = {
    "memory": (1e9, "GB"),
    "memoryBandwidth": (1e9, "GB/s"),
    "linkBandwidth": (1e9, "GB/s"),
    "operations": (1e12, "TFLOP/s"),
    "tdpWatts": (1, "W"),
    "onDemandPrice": (1, "USD/h"),
    "bytesPerWeight": (1, "bytes"),
    "bits": (1, "bits"),
    "contextTokens": (1, "tokens"),
}
"""By the first part of a path: divisor and unit. What is not here is shown as written."""
_WIDTH = 22
_LINE = 120


def describe(kind: str, entry: Entry, catalog: Catalog) -> str:
    """All fields that are set, then what follows, then the sources."""
    said = entry.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"sources", "name"})
    lines = [f"{entry.name} ({kind})", *_block(said, "", 1)]
    for heading, rows in _follows(entry, catalog):
        lines += ["", heading, *(f"  {row}" for row in rows)]
    return "\n".join([*lines, "", "Sources", *_sources(entry)])


def _block(fields: Mapping[str, Any], above: str, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for key, value in fields.items():
        path = f"{above}.{key}" if above else key
        if _wants_lines(value, path):
            yield f"{indent}{key}"
            yield from _children(value, path, depth + 1)
        elif value not in (None, [], {}):
            yield f"{indent}{key:<{_WIDTH}} {_scalar(value, path)}"


def _wants_lines(value: Any, path: str) -> bool:
    """Whether it is shown below its name: what has parts of its own, and what is too long for one line."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict) and set(map(str, inner)) <= set(get_args(Status)):
        return False
    return any(isinstance(item, dict | list) for item in inner) or len(_scalar(value, path)) > _LINE


def _children(value: Any, path: str, depth: int) -> Iterator[str]:
    if isinstance(value, dict):
        yield from _block(value, path, depth)
        return
    for item in value:
        if isinstance(item, dict) and any(isinstance(part, dict) for part in item.values()):
            name, *rest = item.items()
            yield f"{'  ' * depth}{name[1]}"
            yield from _block(dict(rest), path, depth + 1)
        else:
            yield f"{'  ' * depth}{_item(item, path)}"


def _item(item: Any, path: str) -> str:
    if isinstance(item, dict) and set(item) == {"id", "text"}:
        return f"{item['id']}: {item['text']}"
    return _scalar(item, path)


def _scalar(value: Any, path: str) -> str:
    if isinstance(value, dict) and set(map(str, value.values())) <= set(get_args(Status)):
        return "; ".join(f"{status}: {', '.join(names)}" for status, names in _grouped(value).items())
    if isinstance(value, dict):
        return ", ".join(f"{key} {_scalar(item, path)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_scalar(item, path) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    unit = UNITS.get(path.partition(".")[0])
    if isinstance(value, int | float):
        return f"{figures(value / unit[0])} {unit[1]}" if unit and unit[0] != 1 else f"{_plain(value)}{_unit(unit)}"
    return str(value)


def _grouped(statuses: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, status in statuses.items():
        found.setdefault(status, []).append(name)
    return found


def _unit(unit: tuple[float, str] | None) -> str:
    return f" {unit[1]}" if unit else ""


def _plain(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() else f"{value}"


def _sources(entry: Entry) -> Iterator[str]:
    for source in entry.sources.values():
        yield f"  {', '.join(source.covers) or _rest(entry)}: {_cited(source)}"


def _rest(entry: Entry) -> str:
    return "everything else" if len(entry.sources) > 1 else "all numbers"


def _cited(source: Source) -> str:
    return f"{source.text} [{source.mark}, {source.as_of}]"


def _follows(entry: Entry, catalog: Catalog) -> Iterator[tuple[str, list[str]]]:
    for kind, function in _DERIVED:
        if isinstance(entry, kind):
            yield from ((heading, rows) for heading, rows in function(entry, catalog) if rows)


def _of_accelerator(entry: Accelerator, catalog: Catalog) -> Iterator[tuple[str, list[str]]]:
    rows = []
    for engine in catalog.engines.values():
        if entry.architecture in engine.architectures:
            found = _by_status(engine, entry.architecture, catalog)
            rows += [f"{engine.name:<14} {status}: {', '.join(names)}" for status, names in found.items()]
    yield "Engines and what they run here", rows


def _by_status(engine: EngineEntry, architecture: str, catalog: Catalog) -> dict[str, list[str]]:
    """Names by status; all types that only GGUF has as one where they are alike."""
    found = _grouped({name: engine.status(architecture, q) for name, q in catalog.quantizations.items()})
    found.pop("NotVerified", None)
    types = [name for name, q in catalog.quantizations.items() if q.containers == (GGUF,)]
    for status, names in found.items():
        if set(types) <= set(names):
            found[status] = [*(name for name in names if name not in types), "every type of GGUF"]
    return found


def _of_engine(entry: EngineEntry, catalog: Catalog) -> Iterator[tuple[str, list[str]]]:
    yield (
        "Hardware presets",
        [
            f"{a.name} ({a.architecture})"
            for a in catalog.accelerators.values()
            if a.architecture in entry.architectures or entry.name in a.engines
        ],
    )


def _of_quantization(entry: Quantization, catalog: Catalog) -> Iterator[tuple[str, list[str]]]:
    rows = []
    for engine in catalog.engines.values():
        found = _grouped({name: engine.status(name, entry) for name in sorted(engine.architectures)})
        found.pop("NotVerified", None)
        rows += [f"{engine.name:<14} {status}: {', '.join(where)}" for status, where in found.items()]
    yield "What runs it where", rows


def _of_model(entry: ModelArchitecture, catalog: Catalog) -> Iterator[tuple[str, list[str]]]:
    all_, active = figures(entry.parameters / 1e9), figures(entry.active_parameters / 1e9)
    rows = [f"weights                {all_} billion, {active} active"]
    if not entry.media and entry.kv_values_per_token:
        rows.append(f"KV cache               {figures(entry.kv_bytes_per_token() / 1024, 4)} KiB a token in BF16")
    for name in ("BF16", "FP8", "Q4_K_M"):
        if quantization := catalog.quantizations.get(name):
            size = figures(entry.parameters * quantization.bytes_per_weight / 1e9)
            rows.append(f"weights in {name:<11} {size} GB")
    yield "Computed", rows


_DERIVED: tuple[tuple[type[Entry], Callable[[Any, Catalog], Iterator[tuple[str, list[str]]]]], ...] = (
    (Accelerator, _of_accelerator),
    (EngineEntry, _of_engine),
    (Quantization, _of_quantization),
    (ModelArchitecture, _of_model),
)
