"""The study: each language model in turn hidden, recommended for, judged; without a measurement, and with one. Pure.

Nested leave-one-out: constants, the sizes of the belief's parts and the margin come from the other models alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from inferfleet.fitting.pilot import Cell, Target, Verdict, judge
from inferfleet.fitting.pilot_decide import Margin, choose_margin, draw, recommend, recommend_measured
from inferfleet.fitting.pilot_posterior import learn


@dataclass(frozen=True)
class Outcome:
    """Of one hidden language model: with no measurement of it, and after `measured`, the one profile tried."""

    language: str
    margin: Margin
    blind: Verdict
    measured: str
    informed: Verdict


def study(cells: Sequence[Cell], target: Target) -> tuple[Outcome, ...]:
    """Every language model that some profile serves within the target's limits, by name."""
    names = sorted({c.language.name for c in cells})
    return tuple(o for name in names if (o := hide(cells, name, target)) is not None)


def hide(cells: Sequence[Cell], name: str, target: Target) -> Outcome | None:
    """What comes of recommending for one language model from the measurements of the others."""
    own = [c for c in cells if c.language.name == name]
    learnt = learn([c for c in cells if c.language.name != name], own, target)
    margin = choose_margin(learnt.others, target)
    blind = judge(recommend(draw(learnt.unseen, margin.doubt), target, margin.thrift), own, target)
    profile, choice = recommend_measured(learnt.unseen, target)
    informed = judge(choice, own, target)
    if blind is None or informed is None:
        return None
    return Outcome(name, margin, blind, profile, informed)
