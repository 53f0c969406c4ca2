"""From a plan to what is simulated: engines, pools, targets. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from inferfleet.fleet.pods import DEFAULT_BOOT
from inferfleet.fleet.targets import targets
from inferfleet.fleet.types import Plan, Valid, WorkloadPlan
from inferfleet.planning.choose import choose
from inferfleet.planning.evaluate.estimate import memory_of
from inferfleet.planning.evaluate.line import line
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.performance import MEMORY_SHARE
from inferfleet.planning.spill import one_of_each_pool
from inferfleet.planning.types import Evaluated, Question
from inferfleet.planning.unit import Unit, unit_of
from inferfleet.sim.operator_law import Served
from inferfleet.sim.types import Engine, Pool, Slo

ENDLESS = 1e12
"""Tokens, of a cache that takes no memory by token."""
PREFILL_BUDGET = 2048
"""Prompt tokens of one step where the class says nothing: vLLM's max_num_batched_tokens."""


class NotReplayed(Exception):  # noqa: N818  it is what was asked, told to the user
    """This workload cannot be simulated; the message says why."""


@dataclass(frozen=True)
class Setup:
    """One workload, ready to be simulated."""

    pools: tuple[Pool, ...]
    served: Served
    slo: Slo
    percentile: int
    """Share of requests, in percent, that the class wants within its targets."""
    start: int
    """Replicas of the first pool that the plan begins with."""
    words: str
    """`fp8 on h100 with vllm`."""
    overhead: float
    """Seconds of each time to first token beside the engine's steps."""
    shared: int
    """Prompt tokens that the plan takes to be in the prefix cache: of traces that know no prefixes."""


def setup(workload: WorkloadPlan, plan: Plan, memo: Memo) -> Setup:
    """Of a planned workload: its placement, and the pools that take what that has no room for. Raises NotReplayed."""
    valid = workload.valid
    target = targets(plan).get(workload.class_)
    if valid is None or not workload.planned or not workload.placements:
        raise NotReplayed(f"{workload.class_} is not placed: {workload.reason}: {workload.message}")
    if target is None:
        raise NotReplayed(
            f"{workload.class_} is not scaled by Inferfleet: replicas.mode is External or placement.mode Recommend"
        )
    if unit_of(valid.spec) is not Unit.GENERATED or valid.question.architecture.media:
        raise NotReplayed(f"{workload.class_} does not generate text; only that is simulated")
    chosen = workload.placements[0].evaluated
    assert chosen
    others = one_of_each_pool(choose(valid.question, memo).able, {chosen.candidate.pool.name})
    found = [chosen, *others]
    most = valid.workload.replicas.max
    pools = tuple(_pool(e, valid, most, memo) for e in found)
    speeds = tuple(e.tokens_per_second for e in found)
    served = Served(target, tuple(p.name for p in pools), speeds)
    candidate = chosen.candidate
    words = f"{candidate.variant.name} on {candidate.pool.name} with {candidate.how}"
    steps = line(chosen, valid.question, memo)
    return Setup(
        pools=pools,
        served=served,
        slo=_slo(valid),
        percentile=valid.spec.slo.percentile,
        start=workload.placements[0].replicas,
        words=words,
        overhead=steps.overhead,
        shared=steps.shared,
    )


def _slo(valid: Valid) -> Slo:
    slo = valid.spec.slo
    given = {"ttft": slo.ttft, "itl": slo.tpot, "end_to_end": slo.end_to_end or slo.deadline}
    seconds = {name: value.total_seconds() for name, value in given.items() if value is not None}
    patience = max(60.0, seconds.get("end_to_end", 0.0)) if slo.deadline else 60.0
    return Slo(
        ttft=seconds.get("ttft", patience),
        itl=seconds.get("itl", float("inf")),
        wait=patience,
        end_to_end=seconds.get("end_to_end", float("inf")),
    )


def _pool(e: Evaluated, valid: Valid, most: int, memo: Memo) -> Pool:
    return Pool(
        name=e.candidate.pool.name,
        engine=engine(e, valid.question, memo),
        boot=e.startup_seconds or DEFAULT_BOOT,
        limit=max(0, min(most, e.candidate.free)),
        price=e.hourly,
    )


def engine(e: Evaluated, q: Question, memo: Memo) -> Engine:
    """A replica as it is predicted to be."""
    found = line(e, q, memo)
    return Engine(
        base=found.base,
        per_sequence=found.per_sequence,
        prefill_rate=1 / found.per_prompt_token,
        kv_tokens=_kv_tokens(e, q),
        chunk=PREFILL_BUDGET,
        slots=e.prediction.slots,
        capacity=e.tokens_per_second,
    )


def _kv_tokens(e: Evaluated, q: Question) -> float:
    """As many as fit beside the weights: the memory of one more slot says what a token takes."""
    one, two = (memory_of(e.candidate, q, slots) for slots in (1, 2))
    context = float(q.workload.traffic.context_tokens)
    if two <= one:
        return ENDLESS
    slots = 1 + (e.candidate.memory * MEMORY_SHARE - one) / (two - one)
    return max(slots, float(e.prediction.slots)) * context


def static(setup: Setup, replicas: int) -> Setup:
    """With so many replicas of the first pool from the beginning, whatever its limit."""
    first, *others = setup.pools
    return replace(setup, pools=(replace(first, limit=max(first.limit, replicas)), *others), start=replicas)


def booting(setup: Setup, seconds: float) -> Setup:
    """With another time until a new replica serves, for all pools."""
    return replace(setup, pools=tuple(replace(pool, boot=seconds) for pool in setup.pools))


def engine_words(pools: Sequence[Pool]) -> list[str]:
    """How fast a replica of each pool is believed to be."""
    return [
        f"{p.name}: a step takes {p.engine.base * 1e3:.3g} ms + {p.engine.per_sequence * 1e3:.3g} ms a sequence, "
        f"prompts are read at {p.engine.prefill_rate:,.0f} tokens/s, {p.engine.slots} slots, a boot takes "
        f"{p.boot:.0f} s"
        for p in pools
    ]
