"""Every trace of the benchmark with the fleet it meets. Reads the folder of measurements, a trace when it is asked for.

The engine of the recorded traces is an assumed larger model: a step of 18 ms and 0.35 ms for each sequence, 8,000
prompt tokens per second, 400,000 tokens of KV cache, 180 s to boot. A request meets the SLO when its tokens follow at a
mean of 50 ms and its first comes within 2 s and 0.25 ms for each prompt token: twice what these take to read, so that a
long prompt is not a miss by itself. A step takes at most 192 prompt tokens: the budget that keeps a step of some twenty
sequences within the 50 ms, as Sarathi-Serve sizes it (arXiv:2403.02310); with the engine's default of 2,048, answers
of a few tokens would miss beside any long prompt, in however large a fleet. Requests go where the least prompt tokens
are before them (`TOKENS`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

import numpy as np

from e2e.bench.autoscaler.traffic import recorded, scripted, servegen
from inferfleet.sim.types import Blind, Engine, Event, Floats, Limit, Lost, Policy, Pool, Router, Slo, Trace

HOUR = 3600.0
ANCHOR = Engine(base=0.018, per_sequence=0.00035, prefill_rate=8000.0, kv_tokens=400_000.0, chunk=192)
POOL = Pool("near", ANCHOR, boot=180.0, limit=64, price=4.0)
SLO = Slo(ttft=2.0, itl=0.050, ttft_per_input_token=2 / ANCHOR.prefill_rate)
FAR = Pool("far", replace(ANCHOR, base=0.015, per_sequence=0.0003, prefill_rate=11_000.0), 180.0, 16, price=6.5)
"""A faster accelerator that is dearer for each token: where to spill over."""

TOKENS = Router(Policy.TOKENS)
"""What the law scales is work, so requests go where the least work is before them, as endpoint pickers for inference
choose (Gateway API Inference Extension; Mooncake's conductor, arXiv:2407.00079). `LEAST` is reported beside it.
"""
RAMP_ENGINE = Engine(base=0.020, per_sequence=0.0002, prefill_rate=19_000.0, kv_tokens=310_000.0)
"""Qwen3-32B on two H100, assumed: its KV cache from 65 GB of weights and 262 kB a token on 2 x 80 GB; its speed such
that eight replicas keep every target at ten requests per second and one settles at 1.3 to 1.5, as llm-d#2011 tells.
"""
RAMP_POOL = Pool("h100x2", RAMP_ENGINE, boot=100.0, limit=8, price=8.0)
RAMP_SLO = Slo(ttft=3.0, itl=0.100)


@dataclass(frozen=True)
class Scenario:
    """A trace and what it meets. Seconds."""

    name: str
    trace: Trace
    seconds: float
    """Until when replicas are counted."""
    pools: tuple[Pool, ...] = (POOL,)
    slo: Slo = SLO
    events: tuple[Event, ...] = ()
    start: int = 2
    """Replicas of the first pool that are ready at second 0."""
    minimum: int = 1
    maximum: int = 64
    router: Router = TOKENS
    percentile: int = 99
    """Percent of requests that shall meet the targets, as the class declares it."""
    deadline: float = 0.0
    """In which requests of the class `batch` must end; 0: there are none."""
    long: bool = False
    """24 h or more: the targets on the optimum and on static fleets hold for it."""
    held_out: bool = False
    """Nothing was tuned on it."""
    short: float = 1.5 * HOUR
    """What is run of it where it shall be quick: as far as its events."""

    def until(self, seconds: float) -> "Scenario":
        """Its first part. Events after it never come."""
        if seconds >= self.seconds:
            return self
        return replace(self, trace=self.trace.between(0.0, seconds), seconds=seconds)


@dataclass(frozen=True)
class Source:
    """A scenario that can be made: `make(data, seed)` for the scored one, `tune` for one to tune a baseline on."""

    make: Callable[[Path, int], Scenario]
    tune: Callable[[Path, int], Scenario]
    needs: str = ""
    """Pattern of its file below the data; empty: none."""
    seeds: int = 3


def ready(trace: Trace) -> int:
    """Replicas that run at second 0, whoever decides from then on: what the first ten minutes fill to one half."""
    first = trace.between(0.0, 600.0)
    each = 1 / ANCHOR.prefill_rate, ANCHOR.per_sequence
    work = float(recorded.fresh(first).sum() * each[0] + first.output.sum() * each[1]) / 600.0
    return max(2, ceil(work / (1 - ANCHOR.base / SLO.itl) / 0.5))


def scored_day(found: servegen.Statistics) -> tuple[float, bool]:
    """Start of the day that is scored, and whether it is held out: day 8, else day 5 of the first seven."""
    held_out = found.end >= (servegen.TUNING_DAYS + 1) * servegen.DAY
    return (servegen.TUNING_DAYS if held_out else 4) * servegen.DAY, held_out


def day(data: Path, model: str, seed: int, *, tune: bool = False) -> Scenario:
    """24 h of one model; with `tune` day 2."""
    found = servegen.load(data, model)
    start, held_out = (servegen.DAY, False) if tune else scored_day(found)
    trace = servegen.sample(found, start, start + servegen.DAY, seed)
    name = model.replace("-", "_") + "_24h"
    return Scenario(name, trace, servegen.DAY, start=ready(trace), long=True, held_out=held_out)


def week(data: Path, model: str, seed: int) -> Scenario:
    """Seven days of one model: 8 to 14 where the data reach so far, else 1 to 7."""
    found = servegen.load(data, model)
    seconds = servegen.TUNING_DAYS * servegen.DAY
    held_out = found.end >= 2 * seconds
    start = seconds if held_out else found.start
    trace = servegen.sample(found, start, start + seconds, seed)
    return Scenario(model.replace("-", "_") + "_7d", trace, seconds, start=ready(trace), long=True, held_out=held_out)


def azure(data: Path, kind: str, copies: int, seed: int, *, tune: bool = False) -> Scenario:
    """`conv` after its first 30 minutes, which are for tuning; `code`, which is held out, as it is."""
    trace = recorded.azure(data / AZURE.format(kind), copies, seed)
    half, end = HOUR / 2, float(trace.at[-1])
    if kind == "code":
        return Scenario("azure_code", trace, end, start=ready(trace), held_out=True)
    part = trace.between(0.0, half) if tune else trace.between(half, end)
    return Scenario(f"azure_{kind}", part, half if tune else end - half, start=ready(part), held_out=not tune)


def mooncake(data: Path, kind: str) -> Scenario:
    """Long prompts with shared prefixes; requests go where most of theirs is cached."""
    trace = recorded.mooncake(data / MOONCAKE.format(kind))
    seconds = float(trace.at[-1])
    return Scenario(f"mooncake_{kind}", trace, seconds, start=ready(trace), held_out=kind == "conversation")


def ramp(seed: int) -> Scenario:
    """llm-d's staged ramp, bounds 3 to 8, until 300 s after the last request (the pool drains). 98 % is aimed at."""
    seconds = sum(stage for _, stage in scripted.RAMP) + 300.0
    scenario = Scenario("ramp", scripted.ramp(seed), seconds, (RAMP_POOL,), RAMP_SLO, percentile=98, router=Router())
    return replace(scenario, start=3, minimum=3, maximum=8)


def burst(seed: int) -> Scenario:
    """Nothing, 20 minutes of traffic, nothing, 10 minutes, nothing; from zero replicas."""
    rate = scripted.steps((0.0, 1800.0), (10.0, 1200.0), (0.0, 2400.0), (5.0, 600.0), (0.0, 1200.0))
    return Scenario(
        "zero_burst_zero", scripted.drawn(rate, 2 * HOUR, seed), 2 * HOUR, start=0, minimum=0, short=2 * HOUR
    )


def constant(seed: int) -> Scenario:
    """Two hours at ten requests per second; the second, after it settled, must see no change."""
    rate = scripted.steps((10.0, 2 * HOUR))
    trace = scripted.drawn(rate, 2 * HOUR, seed)
    return Scenario("constant", trace, 2 * HOUR, start=ready(trace), short=2 * HOUR)


def exhausted(seed: int) -> Scenario:
    """Four hours up and down; the near pool has room for four where eight are needed, and room again after."""
    trace = scripted.drawn(scripted.wave(4.0, 20.0, 4 * HOUR), 4 * HOUR, seed)
    events = (Limit(0.75 * HOUR, "near", 4), Limit(3 * HOUR, "near", 64))
    return Scenario("pool_exhausted", trace, 4 * HOUR, (POOL, FAR), events=events, start=ready(trace))


def lost(seed: int) -> Scenario:
    """Three hours at 15 requests per second; after one a node fails with three replicas: there is room for three."""
    trace = scripted.drawn(scripted.steps((15.0, 3 * HOUR)), 3 * HOUR, seed)
    events = (Limit(HOUR, "near", 3), Lost(HOUR, "near", 3))
    return Scenario("node_lost", trace, 3 * HOUR, (POOL, FAR), events=events, start=ready(trace))


def mixed(seed: int) -> Scenario:
    """Six hours of interactive traffic; each hour 1,500 offline requests come at once, due within the hour."""
    chat = scripted.drawn(scripted.wave(4.0, 14.0, 6 * HOUR), 6 * HOUR, seed)
    offline = scripted.drawn(_jobs, 5 * HOUR, seed + 1, scripted.SUMMARIES)
    trace = scripted.together(chat, offline)
    return Scenario("interactive_and_batch", trace, 6 * HOUR, start=ready(chat), deadline=HOUR)


def blind(seed: int) -> Scenario:
    """Two hours up and down; for ten minutes of the rise no metrics can be had."""
    trace = scripted.drawn(scripted.wave(4.0, 14.0, 2 * HOUR), 2 * HOUR, seed)
    return Scenario("blind", trace, 2 * HOUR, events=(Blind(1500.0, 2100.0),), start=ready(trace))


def _jobs(at: Floats) -> Floats:
    """Submitted over the first ten seconds of each hour."""
    return np.where(at % HOUR < 10.0, 150.0, 0.0)


AZURE = "azure_llm_2023/AzureLLMInferenceTrace_{}.csv"
MOONCAKE = "mooncake/{}_trace.jsonl"
SERVEGEN = "servegen/*_{}_trace.csv.gz"
MODELS = ("m-large", "m-mid", "m-small")


def _day(model: str) -> Source:
    return Source(
        lambda data, seed: day(data, model, seed),
        lambda data, seed: day(data, model, seed, tune=True),
        SERVEGEN.format(model),
    )


def _week(model: str) -> Source:
    return Source(
        lambda data, seed: week(data, model, seed),
        lambda data, seed: day(data, model, seed, tune=True),
        SERVEGEN.format(model),
        seeds=1,
    )


def _azure(kind: str, copies: int) -> Source:
    return Source(
        lambda data, seed: azure(data, kind, copies, seed),
        lambda data, seed: azure(data, "conv", 2, seed, tune=True),
        AZURE.format(kind),
    )


def _mooncake(kind: str) -> Source:
    return Source(
        lambda data, seed: mooncake(data, kind),
        lambda data, seed: mooncake(data, "synthetic"),
        MOONCAKE.format(kind),
        1,
    )


def _script(make: Callable[[int], Scenario]) -> Source:
    """Tuned on other draws of the same script."""
    return Source(lambda data, seed: make(seed), lambda data, seed: make(seed + 100))


def sources() -> Mapping[str, Source]:
    """By name of the trace, in the order of the report."""
    return {
        **{model.replace("-", "_") + "_24h": _day(model) for model in MODELS},
        **{model.replace("-", "_") + "_7d": _week(model) for model in MODELS},
        "azure_conv": _azure("conv", 2),
        "azure_code": _azure("code", 4),
        "mooncake_synthetic": _mooncake("synthetic"),
        "mooncake_conversation": _mooncake("conversation"),
        "deepseek_r1_24h": _r1(),
        "ramp": _script(ramp),
        "zero_burst_zero": _script(burst),
        "constant": _script(constant),
        "pool_exhausted": _script(exhausted),
        "node_lost": _script(lost),
        "blind": _script(blind),
        "interactive_and_batch": _script(mixed),
    }


def _r1() -> Source:
    """One day of a reasoning model, held out: what is tuned is tuned on m-large."""
    return Source(_deepseek, lambda data, seed: day(data, "m-large", seed, tune=True), SERVEGEN.format("deepseek-r1"))


def _deepseek(data: Path, seed: int) -> Scenario:
    found = servegen.load(data, "deepseek-r1")
    end = min(found.start + servegen.DAY, found.end)
    trace = servegen.sample(found, found.start, end, seed)
    return Scenario("deepseek_r1_24h", trace, end - found.start, start=ready(trace), long=True, held_out=True)
