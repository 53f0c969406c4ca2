"""One workload of a plan under the requests of a trace. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from inferfleet.replay.planned import Setup, engine_words, static
from inferfleet.replay.report import Replayed
from inferfleet.replay.traces import Traffic
from inferfleet.settings import Settings as Operator
from inferfleet.sim.operator_law import Ours
from inferfleet.sim.run import simulate
from inferfleet.sim.types import Router, Seen, Settings, Trace

ROUTED = "requests go to the replica with the fewest in flight, which the router counts without delay"


class Still:
    """A fleet that nobody scales."""

    def decide(self, seen: Seen) -> Mapping[str, int]:
        """What there is."""
        return {}


def replay(
    name: str, setup: Setup, traffic: Traffic, how: tuple[int | None, int], tell: Callable[[str], None]
) -> Replayed:
    """Simulate. `how`: replicas of a static fleet (None: the law decides), and the seed."""
    replicas, seed = how
    if replicas is not None:
        setup = static(setup, replicas)
    law, first = Ours((setup.served,)), setup.pools[0].name
    settings = Settings(
        interval=Operator.scale_interval,
        scrape=Operator.scale_interval,
        seed=seed,
        router=Router(),
        start={first: setup.start},
        overhead=setup.overhead,
    )
    result = simulate(
        _with_hits(traffic.trace, setup.shared),
        setup.pools,
        law if replicas is None else Still(),
        settings,
        progress=lambda done, of: tell(f"simulated {done:,} of {of:,} requests"),
    )
    return Replayed(
        name=name,
        placement=setup.words,
        traffic=traffic.words,
        percentile=setup.percentile,
        slo=setup.slo,
        result=result,
        said=tuple(law.log),
        replicas=replicas,
        seed=seed,
        assumptions=(*engine_words(setup.pools), ROUTED, *_shared_words(traffic.trace, setup.shared)),
    )


def _with_hits(trace: Trace, shared: int) -> Trace:
    """Where the trace knows no prefixes, the class's own shared one is found in the cache."""
    if trace.prefix or not shared:
        return trace
    return replace(trace, cached=np.minimum(shared, trace.input - 1))


def _shared_words(trace: Trace, shared: int) -> list[str]:
    if trace.prefix or not shared:
        return []
    return [f"the first {shared} tokens of each prompt are in the prefix cache, as the class says (sharedPrefixTokens)"]
