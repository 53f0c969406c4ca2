"""Whether hardware and engine fit the model: builds, topology, memory, price, room. Pure."""

from inferfleet.api.quantities import human_bytes
from inferfleet.names import Reason
from inferfleet.planning.candidates.engines import engine_of, unplaced_of
from inferfleet.planning.candidates.topology import unfit
from inferfleet.planning.evaluate.estimate import memory_of
from inferfleet.planning.performance import MEMORY_SHARE
from inferfleet.planning.types import Candidate, Question, Rejection


def accelerator_known(c: Candidate, q: Question) -> Rejection | None:
    if c.pool.accelerator:
        return None
    return Rejection(c, Reason.ACCELERATOR_UNKNOWN, f"the catalog has no accelerator named {c.pool.accelerator_name}")


def engine_supported(c: Candidate, q: Question) -> Rejection | None:
    if engine_of(c, q):
        return None
    if q.plan_unplaced and c.engine:
        message = f"nothing is verified of any format that {c.engine} would run on {c.pool.accelerator_name}"
        return Rejection(c, Reason.ENGINE_UNSUPPORTED, message)
    return Rejection(
        c,
        Reason.ENGINE_UNSUPPORTED,
        f"this release does not run {c.engine or 'any engine'} on {c.pool.accelerator_name}",
    )


def replica_declared(c: Candidate, q: Question) -> Rejection | None:
    if c.pool.memory > 0:
        return None
    message = f"pool {c.pool.name} does not say what a replica gets: set spec.nodes.replica (cpu and memory)"
    return Rejection(c, Reason.REPLICA_NOT_DECLARED, message)


def priced(c: Candidate, q: Question) -> Rejection | None:
    if c.pool.price is not None:
        return None
    return Rejection(c, Reason.NO_PRICE, f"pool {c.pool.name} has no spec.price, so its cost cannot be compared")


def power_known(c: Candidate, q: Question) -> Rejection | None:
    needed = q.workload.objective == "Energy" or q.workload.limits.joules_per_token is not None
    if not needed or c.pool.watts is not None:
        return None
    message = f"pool {c.pool.name} has no spec.power, and the catalog knows none, so its energy cannot be compared"
    return Rejection(c, Reason.NO_POWER, message)


def topology_supported(c: Candidate, q: Question) -> Rejection | None:
    planned = unplaced_of(c, q)
    problem = unfit(c, planned, q.architecture) if planned else ""
    return Rejection(c, Reason.TOPOLOGY_UNSUPPORTED, problem, "topology") if problem else None


def memory_fits(c: Candidate, q: Question) -> Rejection | None:
    """With one slot; how many slots fit is decided after."""
    need = memory_of(c, q, 1)
    if need <= c.memory * MEMORY_SHARE:
        return None
    message = (
        f"weights, runtime and the KV cache of one request of {q.workload.traffic.context_tokens} tokens need "
        f"{human_bytes(need)}; a replica has {human_bytes(c.memory)}, of which {MEMORY_SHARE:.0%} is planned with"
    )
    return Rejection(c, Reason.MEMORY_DOES_NOT_FIT, message, "memory")
