"""The candidates of a question. Pure."""

from itertools import product

from inferfleet.performance.types import Parallelism
from inferfleet.planning.candidates.engines import unplaced_of
from inferfleet.planning.candidates.provider import offers
from inferfleet.planning.candidates.topology import spreads
from inferfleet.planning.types import Candidate, Pool, Question, Variant


def candidates(question: Question) -> list[Candidate]:
    """Every combination, in a stable order; a pool without engines still yields a candidate, to be rejected."""
    found: list[Candidate] = []
    for pool in sorted(question.pools, key=lambda p: p.name):
        if pool.external and question.plan_unplaced and (offered := offers(pool, question)):
            found += offered
        else:
            found += _of_nodes(pool, question)
    return found


def _of_nodes(pool: Pool, q: Question) -> list[Candidate]:
    pairs = product(q.variants, pool.engines or ("",))
    return [c for variant, engine in pairs for c in _spread(pool, variant, engine, q)]


def _spread(pool: Pool, variant: Variant, engine: str, q: Question) -> list[Candidate]:
    """Once for each parallelism that hardware and engine have; the one that a pin asks for is always among them."""
    alone = Candidate(pool, variant, engine)
    planned = unplaced_of(alone, q)
    if planned is None or pool.accelerator is None:
        return [alone]
    possible = spreads(planned, pool, q.architecture) or [Parallelism()]
    pinned = Parallelism(tensor=q.pin.tensor_parallel) if q.pin and q.pin.tensor_parallel else None
    if pinned and pinned not in possible:
        possible = [*possible, pinned]
    return [Candidate(pool, variant, engine, spread) for spread in possible]
