"""One workload of a plan under the requests of a trace. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from inferfleet.replay.planned import Setup, engine_words, static
from inferfleet.replay.report import Replayed
from inferfleet.replay.traces import Traffic
from inferfleet.settings import Settings as Operator
from inferfleet.sim.operator_law import Ours
from inferfleet.sim.run import simulate
from inferfleet.sim.types import Policy, Router, Seen, Settings, Trace

ROUTERS: Mapping[str, tuple[Policy, str]] = {
    "least": (
        Policy.LEAST,
        "requests go to the replica with the fewest in flight; a Kubernetes Service alone picks at random "
        "(--router random)",
    ),
    "tokens": (
        Policy.TOKENS,
        "requests go to the replica with the fewest prompt tokens to read before their first token, what is cached "
        "left out",
    ),
    "two": (Policy.TWO, "requests go to the replica with fewer in flight of two at random"),
    "turn": (Policy.ROBIN, "requests go to the replicas in turn"),
    "random": (Policy.RANDOM, "requests go to replicas at random, as a Kubernetes Service spreads connections"),
    "prefix": (Policy.PREFIX, "requests go where most of their prompt is cached, but not to a much busier replica"),
}
"""By name: the policy, and what is said of it."""


@dataclass(frozen=True)
class How:
    """What a replay is asked for beside the plan and the traffic."""

    replicas: int | None = None
    """Of a static fleet; None: the law decides."""
    seed: int = 0
    router: str = "least"
    """Of `ROUTERS`."""


class Still:
    """A fleet that nobody scales."""

    def decide(self, seen: Seen) -> Mapping[str, int]:
        """What there is."""
        return {}


def replay(name: str, setup: Setup, traffic: Traffic, how: How, tell: Callable[[str], None]) -> Replayed:
    """Simulate."""
    replicas, (policy, routed) = how.replicas, ROUTERS[how.router]
    if replicas is not None:
        setup = static(setup, replicas)
    law, first = Ours((setup.served,)), setup.pools[0].name
    settings = Settings(
        interval=Operator.scale_interval,
        scrape=Operator.scale_interval,
        seed=how.seed,
        router=Router(policy),
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
        seed=how.seed,
        assumptions=(*engine_words(setup.pools), routed, *_shared_words(traffic.trace, setup.shared)),
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
