"""A recorded run as the simulator sees it: its workload, its pods and its engine. What is not recorded is learned from
other runs. Pure.

- The engine: vLLM's step structure with four numbers (`Speed`), fitted.
- Cold pods: the first two steps with prompts of a new pod took 2 s longer, in every run (compiled kernels).
- The router scrapes the pods and picks the least busy one as of its last look: requests that come within a look go to
  the same pod, which the runs with eight pods show.
- Prompts repeat: how many are in the cache falls from two thirds to a twentieth in the course of the workload, in all
  runs alike; by minute from the times to first token of other runs, scaled to the run's own recorded share of hits.
- The load generator sends late when a stage begins after a pause: seconds, while the pods have nothing to do. Requests
  that other runs sent so long after the same stage's beginning tell how late.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from e2e.bench.autoscaler.gate.runs import Recorded
from inferfleet.sim.result import Result
from inferfleet.sim.run import simulate
from inferfleet.sim.types import Engine, Floats, Ints, Pool, Router, Seen, Settings, Trace

POOL = "h100"
END = 1300.0
PAUSE = 5.0
"""Seconds without arrivals between stages."""
LATE = 15.0
"""Seconds of a stage in which requests are sent late."""
MINUTES = 30
FAST = 0.064
"""Seconds: times to first token of single requests lie in two heaps on both sides of this."""
APART = 0.1
"""Seconds since the request before: nothing of it delays this one."""
STEADY = 0.2
"""Seconds: minutes with a higher median time to first token have queues, and tell nothing of hits."""
HIT = 0.95
"""Share of a prompt that a hit finds: the last block is always computed."""
LOOK = 0.1
"""Seconds between the router's looks."""
COLD_STEPS, COLD_SECONDS = 2, 2.1


@dataclass(frozen=True)
class Speed:
    """What is fitted. Seconds, tokens per second."""

    base: float
    per_sequence: float
    prefill_rate: float
    overhead: float
    """Of gateway and client, on each time to first token."""


@dataclass(frozen=True)
class Habits:
    """What other runs tell of the workload and its generator."""

    hits: Floats
    """Share of prompts in the cache by minute since the first request."""
    late: Mapping[int, tuple[Floats, Floats]]
    """By stage but the first: seconds since its beginning, and seconds that a request was sent late."""


@dataclass(frozen=True)
class Simulated:
    """As the client would have recorded it."""

    ttft: Floats
    itl: Floats
    result: Result


class Trajectory:
    """A controller that does what was recorded."""

    def __init__(self, run: Recorded) -> None:
        self._initial = run.initial
        self._ups, self._downs = np.sort(run.ups), np.sort(run.downs)

    def decide(self, seen: Seen) -> Mapping[str, int]:
        """Pods that were ready then."""
        up, down = (int(np.searchsorted(times, seen.now, side="right")) for times in (self._ups, self._downs))
        return {POOL: self._initial + up - down}


def habits(runs: Sequence[Recorded]) -> Habits:
    """Of the runs together."""
    stages = min(len(_stages(run)) for run in runs)
    late = {stage: _late(runs, stage) for stage in range(1, stages)}
    return Habits(_hits(runs), late)


def replay(run: Recorded, speed: Speed, known: Habits, seed: int) -> Simulated:
    """Simulate it. `seed` draws which prompts were hits, and how late each request was sent."""
    random = np.random.default_rng(seed)
    late = _drawn(run, known, random)
    order = np.argsort(run.at + late, kind="stable")
    share = known.hits[_minutes(run)]
    share = share / share.mean() if share.any() else np.ones(len(share))
    hit = random.random(len(run.at)) < share * run.hit / HIT
    cached = np.where(hit, (run.input * HIT).astype(np.int64), 0)
    trace = Trace((run.at + late)[order], run.input[order], run.output[order], cached=cached[order])
    pool = Pool(POOL, _engine(run, speed), boot=0.0)
    settings = Settings(
        interval=0.5,
        scrape=END,
        seed=seed,
        router=Router(staleness=LOOK, counts_own=False),
        start={POOL: run.initial},
        end=END,
        overhead=speed.overhead,
    )
    result = simulate(trace, [pool], Trajectory(run), settings)
    ttft, itl = np.empty(len(order)), np.empty(len(order))
    ttft[order], itl[order] = result.ttft + late[order], result.itl
    return Simulated(ttft, itl, result)


def _engine(run: Recorded, speed: Speed) -> Engine:
    return Engine(
        base=speed.base,
        per_sequence=speed.per_sequence,
        prefill_rate=speed.prefill_rate,
        kv_tokens=run.kv_tokens,
        slots=1024,
        block=run.block,
        ahead=True,
        cold_steps=COLD_STEPS,
        cold_seconds=COLD_SECONDS,
    )


def _minutes(run: Recorded) -> Ints:
    found: Ints = np.minimum((run.at - run.at[0]) // 60, MINUTES - 1).astype(np.int64)
    return found


def _hits(runs: Sequence[Recorded]) -> Floats:
    """The mean of the runs that tell; a minute of which none does is like the others on average."""
    seen = np.full((len(runs), MINUTES), np.nan)
    for i, run in enumerate(runs):
        apart = np.diff(run.at, prepend=-np.inf) > APART
        minutes = _minutes(run)
        for minute in np.unique(minutes):
            inside = minutes == minute
            if np.nanmedian(run.ttft[inside]) <= STEADY and np.any(inside & apart):
                seen[i, minute] = np.mean(run.ttft[inside & apart] < FAST)
    known = np.isfinite(seen)
    mean = np.where(known, seen, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    told = known.any(axis=0)
    found: Floats = np.where(told, mean, mean[told].mean())
    return found


def _stages(run: Recorded) -> list[int]:
    """The first request of each."""
    return [0, *(int(i) + 1 for i in np.flatnonzero(np.diff(run.at) > PAUSE))]


def _late(runs: Sequence[Recorded], stage: int) -> tuple[Floats, Floats]:
    """Beyond the median of the time after."""
    since, late = [], []
    for run in runs:
        offset = run.at - run.at[_stages(run)[stage]]
        inside = (offset >= 0) & (offset < LATE)
        after = (offset >= LATE) & (offset < LATE + 25.0)
        since.append(offset[inside])
        usual = np.nanmedian(run.ttft[after] if after.any() else run.ttft)
        late.append(np.maximum(0.0, np.nan_to_num(run.ttft[inside] - usual)))
    return np.concatenate(since), np.concatenate(late)


def _drawn(run: Recorded, known: Habits, random: np.random.Generator) -> Floats:
    """Seconds that each request is sent late: those of a request of another run at about the same time of its stage."""
    found = np.zeros(len(run.at))
    for stage, first in enumerate(_stages(run)):
        if stage not in known.late:
            continue
        since, late = known.late[stage]
        offset = run.at - run.at[first]
        for i in np.flatnonzero((offset >= 0) & (offset < LATE)):
            alike = late[np.abs(since - offset[i]) < 0.5]
            found[i] = random.choice(alike) if len(alike) else 0.0
    return found
