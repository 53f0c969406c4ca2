"""Questions to the planner: say only what matters, the rest is sensible."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from make import parsed_class

from inferfleet.api.external import External
from inferfleet.catalog import loader
from inferfleet.planning.candidates.engines import unplaced
from inferfleet.planning.types import Answer, Pool, Question, Variant
from inferfleet_runtime.engines import ENGINES

CATALOG = loader.load()
LLAMA_1B = CATALOG.models["llama-3.2-1b"]
ENGINE = ENGINES["llama-cpp"]
UNPLACED = unplaced(CATALOG)
OFFER = {
    "name": "m-fast",
    "architecture": "llama-3.2-1b",
    "quantization": "FP8",
    "price": {"inputPer1MTokens": "0.10", "outputPer1MTokens": "0.20"},
    "latency": {"ttft": "200ms", "tokensPerSecond": 100},
    "limits": {"requestsPerMinute": 600, "tokensPerMinute": 60000},
}
OPEN: dict[str, Any] = {"limits": {"allowExternal": True}}
"""Of a class whose requests may leave the cluster."""
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


def gpu_pool(name: str = "h100", accelerator: str = "nvidia-h100-80gb", **changes: Any) -> Pool:
    """Four nodes of eight, at the catalog's price unless another is given."""
    known = CATALOG.accelerators[accelerator]
    assert known.memory
    price = changes.pop("price", str(known.on_demand_price))
    common = {"cores": 1, "memory": int(known.memory), "accelerator": accelerator, "watts": known.watts}
    room = {"accelerators_per_node": 8, "nodes": 4, "free": 32}
    return make_pool(name, price=price, **common | room | changes)


def gpu_question(pools: list[Pool] | None = None, model: str = "llama-3.1-8b", **changes: Any) -> Question:
    """About a chat of a thousand tokens in BF16 and FP8, also on what this release cannot deploy."""
    traffic = {"inputTokens": {"p50": 1024, "p95": 2048}, "outputTokens": {"p50": 256, "p95": 512}}
    variants = changes.pop("variants", (Variant("bf16", "BF16", "hf"), Variant("fp8", "FP8", "hf")))
    workload = parsed_class(**{"traffic": traffic, "serving": {"maxBatchSize": 64}} | changes.pop("spec", {}))
    planned = {"plan_unplaced": True, "unplaced": UNPLACED, "workload": workload}
    named = {"architecture": CATALOG.models[model], "architecture_key": model}
    return question(pools or [gpu_pool()], variants, **planned | named | changes)


def provider(**changes: Any) -> Pool:
    """A pool outside the cluster that offers one model."""
    given = {"endpoint": "https://api.example.com/v1", "credentialsKey": "k", "models": [OFFER | changes]}
    external = External.model_validate(given)
    return make_pool("away", accelerator="", price=None, engines=(), memory=0, free=0, nodes=0, external=external)


def reasons(answer: Answer) -> dict[tuple[str, str], str]:
    return {(r.candidate.pool.name, r.candidate.variant.name): r.reason for r in answer.rejected}
