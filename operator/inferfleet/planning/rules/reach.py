"""Whether the workload may use the pool at all: namespaces, pins, providers. Pure."""

from inferfleet.names import Reason
from inferfleet.planning.types import Candidate, Pin, Question, Rejection


def namespace_allowed(c: Candidate, q: Question) -> Rejection | None:
    if c.pool.allowed:
        return None
    message = f"pool {c.pool.name} does not allow this namespace (spec.allowedNamespaces)"
    return Rejection(c, Reason.NAMESPACE_NOT_ALLOWED, message)


def as_pinned(c: Candidate, q: Question) -> Rejection | None:
    pin = q.pin
    if pin is None:
        return None
    if not pin.admits(c.pool.name, c.variant.name, c.engine):
        return Rejection(c, Reason.NOT_PINNED, f"spec.workloads[].placement pins {pin.words}")
    return _as_spread(c, pin, q)


def _as_spread(c: Candidate, pin: Pin, q: Question) -> Rejection | None:
    asked = pin.tensor_parallel
    if not asked or asked == c.parallelism.accelerators == c.parallelism.tensor:
        return None
    if (c.engine, c.pool.accelerator_name) in q.unplaced and q.plan_unplaced:
        return Rejection(c, Reason.NOT_PINNED, f"spec.workloads[].placement pins tensorParallel: {asked}")
    message = f"this release serves each replica on one accelerator, not on {asked} (tensorParallel)"
    return Rejection(c, Reason.PARALLELISM_UNSUPPORTED, message)


def external_reachable(c: Candidate, q: Question) -> Rejection | None:
    if c.pool.external is None:
        return None
    if not q.workload.limits.allow_external:
        message = "the class keeps requests inside the cluster (limits.allowExternal is not true)"
        return Rejection(c, Reason.EXTERNAL_NOT_ALLOWED, message)
    if not q.plan_unplaced:
        message = "this release has no gateway yet that could send requests to a provider"
        return Rejection(c, Reason.EXTERNAL_NOT_SERVED, message)
    if c.offer is None:
        offered = ", ".join(sorted({m.architecture for m in c.pool.external.models}))
        message = f"provider {c.pool.name} offers {offered}, not {q.architecture_key} (spec.external.models)"
        return Rejection(c, Reason.MODEL_NOT_OFFERED, message)
    return None
