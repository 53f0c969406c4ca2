"""Fleets of any size for the benchmark's timings: drawn, not measured. Pure: the same seed, the same fleet."""

from dataclasses import replace

import numpy as np

from e2e.bench.planner.placement_cases import accelerators
from inferfleet.placing.place import greedy_plan
from inferfleet.placing.types import Demand, Option, Pool, Problem, Settings

CLASSES = (1, 1, 1, 2, 3)
SCARCE = 0.6
"""Of what a greedy plan would use of each pool."""


def fleet(models: int, pools: int, seed: int) -> Problem:
    """Models of one to three classes; each fits about 70 % of the pools, apart by class or shared by all classes.

    Half of the pools are too small for what they would be used for.
    """
    rng = np.random.default_rng(seed)
    price = np.sort(rng.uniform(0.5, 8.0, pools))
    speed = price * rng.uniform(0.6, 1.4, pools) * 100
    demands: list[Demand] = []
    options: list[Option] = []
    for number in range(models):
        mine, ways = _model(rng, f"m{number:05}", price, speed)
        demands += mine
        options += ways
    free = Problem(tuple(demands), tuple(options), tuple(Pool(f"p{p:02}") for p in range(pools)))
    return _limited(free)


def _model(
    rng: np.random.Generator,
    model: str,
    price: np.ndarray[tuple[int], np.dtype[np.float64]],
    speed: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> tuple[list[Demand], list[Option]]:
    names = [f"{model}/c{k}" for k in range(int(rng.choice(CLASSES)))]
    size = float(rng.lognormal(0.0, 0.8))
    demands = [
        Demand(
            name,
            size * float(rng.lognormal(4.2, 1.2)),
            model,
            priority=int(rng.integers(0, 3)),
            deferrable=bool(k and rng.random() < 0.3),
            utilization=0.8,
        )
        for k, name in enumerate(names)
    ]
    fits = rng.random(len(price)) < 0.7
    fits[rng.integers(0, len(price))] = True
    options = []
    for pool in np.flatnonzero(fits).tolist():
        tokens = {name: float(speed[pool] * rng.lognormal(0.0, 0.25)) for name in names}
        where, cost = f"p{pool:02}", float(price[pool])
        options += [Option(f"{name}@{where}", where, {name: tokens[name]}, cost) for name in names]
        if len(names) > 1:
            shared = {name: 0.9 * capacity for name, capacity in tokens.items()}
            options.append(Option(f"{model}/all@{where}", where, shared, cost))
    return demands, options


def _limited(free: Problem) -> Problem:
    used = accelerators(free, greedy_plan(free, Settings()))
    spread = 1.2 * sum(used.values()) / len(used)
    pools = tuple(
        replace(p, accelerators=float(max(2, round(SCARCE * used[p.key]), round(spread)))) for p in free.pools
    )
    return replace(free, pools=pools)
