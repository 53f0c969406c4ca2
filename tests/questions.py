"""Questions to the planner: say only what matters, the rest is sensible."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from make import parsed_class

from inferfleet.catalog import loader
from inferfleet.planning.types import Answer, Pool, Question, Variant
from inferfleet_runtime.engines import ENGINES

CATALOG = loader.load()
LLAMA_1B = CATALOG.models["llama-3.2-1b"]
ENGINE = ENGINES["llama-cpp"]
F16, Q8, Q4 = Variant("f16", "F16"), Variant("q8", "Q8_0"), Variant("q4", "Q4_0")


def make_pool(
    name: str = "cpu", cores: float = 4, memory: int = 8 * 2**30, price: str | None = "0.05", **changes: Any
) -> Pool:
    accelerator = changes.pop("accelerator", "cpu-x86-avx2")
    known = CATALOG.accelerators.get(accelerator)
    made = Pool(
        name=name,
        accelerator_name=accelerator,
        accelerator=known,
        engines=known.engines if known else (),
        selector={},
        cores=cores,
        memory=memory,
        price=Decimal(price) if price is not None else None,
        nodes=1,
        free=8,
    )
    return replace(made, **changes)


def question(
    pools: list[Pool] | None = None, variants: tuple[Variant, ...] = (F16, Q8, Q4), **changes: Any
) -> Question:
    asked = Question(
        architecture=LLAMA_1B,
        architecture_key="llama-3.2-1b",
        variants=variants,
        pools=tuple(pools if pools is not None else [make_pool()]),
        workload=changes.pop("workload", parsed_class()),
        min_replicas=1,
        incumbents=frozenset(),
        engines=ENGINES,
        quantizations=CATALOG.quantizations,
        ledger={},
        move_saving=0.15,
    )
    return replace(asked, **changes)


def reasons(answer: Answer) -> dict[tuple[str, str], str]:
    return {(r.candidate.pool.name, r.candidate.variant.name): r.reason for r in answer.rejected}
