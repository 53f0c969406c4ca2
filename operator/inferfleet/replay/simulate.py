"""One workload of a plan under the requests of a trace. Pure."""

from collections.abc import Callable, Mapping

from inferfleet.replay.planned import Setup, engine_words, static
from inferfleet.replay.report import Replayed
from inferfleet.replay.traces import Traffic
from inferfleet.settings import Settings as Operator
from inferfleet.sim.operator_law import Ours
from inferfleet.sim.run import simulate
from inferfleet.sim.types import Router, Seen, Settings

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
    )
    result = simulate(
        traffic.trace,
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
        assumptions=(*engine_words(setup.pools), ROUTED),
    )
