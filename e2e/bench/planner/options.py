"""How long the placement program's problem of 5,000 Models on 20 pools takes, and one change. Reads the catalog.

What the operator does before the program runs: candidates of every workload, judged, priced, and those left out that
another beats. Models share 50 contents, as fleets do. Alone: `python -m e2e.bench.planner.options`.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from time import perf_counter

from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.catalog import loader
from inferfleet.catalog.loader import Catalog
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.options.build import Room, fleet
from inferfleet.planning.options.merge import Workload
from inferfleet.planning.types import Pool, Question, Variant
from inferfleet_runtime.engines import ENGINES

MODELS, POOLS = 5000, 20
ARCHITECTURES = (
    "llama-3.2-1b",
    "llama-3.2-3b",
    "qwen2.5-0.5b",
    "qwen2.5-1.5b",
    "gemma-2-2b",
    "smollm2-135m",
    "smollm2-360m",
    "smollm2-1.7b",
    "tinyllama-1.1b",
    "falcon-3-1b",
)
VARIANTS = tuple(Variant(name.lower(), name) for name in ("F16", "Q8_0", "Q4_0"))
CLASSES = 5
GB = 2**30


def workloads(catalog: Catalog) -> list[Workload]:
    """One of each Model, with loads of all sizes."""
    pools, classes = tuple(_pool(catalog, i) for i in range(POOLS)), [_class(i) for i in range(CLASSES)]
    found = []
    for i in range(MODELS):
        name = ARCHITECTURES[i % len(ARCHITECTURES)]
        spec = classes[i // len(ARCHITECTURES) % CLASSES]
        found.append(Workload(f"ns/m{i}/c", f"ns/m{i}", _question(catalog, name, spec, pools), 5.0 + i % 97))
    return found


def _question(catalog: Catalog, name: str, spec: WorkloadClassSpec, pools: tuple[Pool, ...]) -> Question:
    return Question(
        architecture=catalog.models[name],
        architecture_key=name,
        variants=VARIANTS,
        pools=pools,
        workload=spec,
        min_replicas=1,
        incumbents=frozenset(),
        engines=ENGINES,
        quantizations=catalog.quantizations,
        ledger={},
        move_saving=0.15,
    )


def _pool(catalog: Catalog, i: int) -> Pool:
    accelerator = catalog.accelerators["cpu-x86-avx2"]
    price = Decimal("0.03") + Decimal(i) / 200
    size = {"cores": 2.0 + i % 4 * 2, "memory": 8 * GB, "price": price, "nodes": 500, "free": 4000}
    return replace(_BARE, name=f"p{i:02d}", accelerator=accelerator, engines=accelerator.engines, **size)  # type: ignore[arg-type]


_BARE = Pool("", "cpu-x86-avx2", None, (), {}, 1.0, 0, None, 0, 0)


def _class(i: int) -> WorkloadClassSpec:
    traffic = {"inputTokens": {"p50": 64 * (i + 1), "p95": 256 * (i + 1)}}
    traffic["outputTokens"] = traffic["inputTokens"]
    spec = {"traffic": traffic, "slo": {"ttft": "9s", "tpot": f"{100 + 50 * i}ms"}, "serving": {"maxBatchSize": 16}}
    return WorkloadClassSpec.model_validate(spec)


def run(data: Path) -> tuple[Mapping[str, float], str]:
    """Figures and a section of the report. Nothing of `data` is needed."""
    asked, memo = workloads(loader.load()), Memo()
    rooms = {f"p{i:02d}": Room(8000.0) for i in range(POOLS)}
    start = perf_counter()
    found = fleet(asked, rooms, memo, sharing=False)
    first = perf_counter() - start
    start = perf_counter()
    fleet([replace(asked[0], load=1234.0)], rooms, memo, sharing=False)
    change = perf_counter() - start
    figures = {"options_5000_seconds": round(first, 2), "options_change_ms": round(change * 1000, 2)}
    return figures, _section(figures, len(found.problem.options))


def _section(figures: Mapping[str, float], options: int) -> str:
    return f"""## Candidates of a fleet

{MODELS} Models x {POOLS} pools x {len(VARIANTS)} variants, one workload each, from questions to the problem of the
placement program ({options} options), on the machine of this report.

| | |
|---|---|
| all, the first time | {figures["options_5000_seconds"]} s |
| one change | {figures["options_change_ms"]} ms |
"""


if __name__ == "__main__":
    measured, section = run(Path())
    print(section)
    print(measured)
