"""Options that another one replaces, replica for replica, without loss: left out before anything is solved. Pure.

No plan gets worse by it: wherever the dropped option stood, the other one carries as much, for no more money and room.
"""

from dataclasses import replace

from inferfleet.placing.types import Option, Problem


def pruned(problem: Problem) -> Problem:
    """The problem without options that another option of the same pool and demands replaces."""
    groups: dict[tuple[str, str, frozenset[str]], list[Option]] = {}
    for option in sorted(
        problem.options, key=lambda o: (o.cost, o.accelerators, -max(o.capacity.values(), default=0.0), o.key)
    ):
        groups.setdefault((option.pool, option.quota, frozenset(option.capacity)), []).append(option)
    kept: set[str] = set()
    for options in groups.values():
        best: list[Option] = []
        for option in options:
            if option.incumbent or not any(o.max_replicas is None and replaces(o, option) for o in best):
                best.append(option)
        kept |= {option.key for option in best}
    return replace(problem, options=tuple(option for option in problem.options if option.key in kept))


def replaces(other: Option, option: Option) -> bool:
    """Whether it does as much of the same demands, replica for replica, for no more: as many as it may have."""
    return (
        other.cost <= option.cost
        and other.accelerators <= option.accelerators
        and other.min_replicas <= option.min_replicas
        and (bool(other.incumbent) or other.opening <= option.opening)
        and other.starting <= option.starting
        and (option.preemptible or not other.preemptible)
        and all(_speed(other, key) >= _speed(option, key) for key in option.capacity)
    )


def _speed(option: Option, demand: str) -> float:
    return option.capacity[demand] * (1 - option.margin)
