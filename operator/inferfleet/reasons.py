"""What every condition type and every reason means, in one line each. Pure.

The only place that says it: the reference page is generated from here, and a test fails where a code of
`names` has no line.
"""

from collections.abc import Mapping

from inferfleet.names import Cond, Reason

CONDITIONS: Mapping[str, Mapping[str, str]] = {
    "Model": {
        Cond.READY: "Every workload has at least its least number of replicas ready. True with reason `Frozen` or "
        "`Degraded`: it serves, and something else is wrong.",
        Cond.PLANNED: "Every workload has a placement that was chosen for what is declared now, and that meets its "
        "targets as far as is known.",
        Cond.DEPLOYED: "What was planned is in the cluster and its pods run.",
        Cond.SIGNAL_FRESH: "Every ready pod answers scrapes. False: replicas stay as they are. Unknown: no pod was "
        "scraped yet, or replicas are not this operator's.",
        Cond.WITHIN_LIMITS: "Replicas follow the demand. False: demand asks for more than `replicas.max`, or than the "
        "pool or the namespace's quota has room for. Unknown: replicas are not this operator's.",
        Cond.FIELDS_OBEYED: "The operator acts on every field that is given. False: the message lists those that this "
        "release accepts and does nothing with.",
    },
    "WorkloadClass": {
        Cond.ACCEPTED: "The operator can use it.",
        Cond.SLO_CONSISTENT: "Its latency targets can hold together at its own lengths.",
    },
    "HardwarePool": {
        Cond.ACCEPTED: "The operator can use it.",
        Cond.FIELDS_OBEYED: "The operator acts on every field that is given. False: the message lists those that this "
        "release accepts and does nothing with.",
        Cond.NODES_EXCLUSIVE: "No other pool counts the same nodes. False: both plan with room that is there once.",
    },
}
"""By kind: condition type to meaning."""

REASONS: Mapping[str, str] = {
    # about what was declared
    Reason.INVALID_SPEC: "The object contradicts its own rules, as one that is older than they are can. Correct the "
    "field that the message names.",
    Reason.CLASS_NOT_FOUND: "The WorkloadClass does not exist. What serves keeps serving.",
    Reason.CLASS_INVALID: "The WorkloadClass exists and cannot be used; the message says why.",
    Reason.CLASS_NOT_ALLOWED: "The class's `allowedNamespaces` does not match the Model's namespace.",
    Reason.ARCHITECTURE_UNKNOWN: "The catalog has no such `architecture.preset`. Correct it, or give the numbers.",
    Reason.INTERNAL_ERROR: "A bug of the operator; it tries again, and what serves keeps serving. Please report the "
    "message.",
    # what vanished
    Reason.POOL_NOT_FOUND: "The HardwarePool of a serving placement was deleted. The placement keeps serving.",
    Reason.NODES_NOT_FOUND: "No node matches the HardwarePool of a serving placement any more. It keeps its replicas.",
    # why a candidate was rejected
    Reason.POOL_INVALID: "The HardwarePool exists and cannot be used; the message says why.",
    Reason.NAMESPACE_NOT_ALLOWED: "The pool's `allowedNamespaces` does not match the Model's namespace.",
    Reason.NOT_PINNED: "The workload's `placement` pins another pool, variant or engine.",
    Reason.PARALLELISM_UNSUPPORTED: "This release cannot spread a replica over that many accelerators.",
    Reason.EXTERNAL_NOT_ALLOWED: "The pool is an external provider, and the class does not set `limits.allowExternal`.",
    Reason.EXTERNAL_NOT_SERVED: "The pool is an external provider, and this release has no gateway to it yet.",
    Reason.MODEL_NOT_OFFERED: "The provider lists no model of this architecture in `external.models`.",
    Reason.ACCELERATOR_UNKNOWN: "The catalog has no such hardware preset. Correct `accelerator`, or give `custom`.",
    Reason.ENGINE_UNSUPPORTED: "This release does not run any engine of the pool.",
    Reason.REPLICA_NOT_DECLARED: "The pool is of CPUs and does not say what a replica gets: set `nodes.replica`.",
    Reason.MODALITY_UNSUPPORTED: "The engine does not serve the class's `modality`.",
    Reason.TOPOLOGY_UNSUPPORTED: "Hardware, engine or model cannot be spread so: accelerators in other counts, a "
    "node with fewer, heads or experts that do not divide.",
    Reason.CONTEXT_TOO_LONG: "Long requests of the class (prompt and completion at p95) exceed the model's context.",
    Reason.QUANTIZATION_UNKNOWN: "The catalog has no such quantization; the message names similar ones.",
    Reason.QUANTIZATION_UNSUPPORTED: "The engine does not serve the quantization on this hardware.",
    Reason.QUANTIZATION_NOT_ALLOWED: "The class's `quantization.allow` does not list it.",
    Reason.NO_EVIDENCE: "The class asks for measured accuracy, and the variant has none (`variants[].accuracy`).",
    Reason.ACCURACY_LOSS_EXCEEDED: "The variant lost more accuracy than the class's `limits.accuracyLossPercent`.",
    Reason.SOURCE_UNSUPPORTED: "This release cannot fetch from the scheme of the variant's `source.uri`.",
    Reason.SERVING_UNSUPPORTED: "The engine lacks what `serving` asks for by name, or the Model lacks the speculator.",
    Reason.NO_PRICE: "The pool has no price, so its cost cannot be compared.",
    Reason.NO_POWER: "The class limits or optimizes energy, and nothing says what the hardware draws: set `power`.",
    Reason.MEMORY_DOES_NOT_FIT: "Weights, runtime and the KV cache of one request exceed 90 % of a replica's memory.",
    Reason.OUTSIDE_ENVELOPE: "No prediction can be believed so far from all measurements, and nothing was measured "
    "here: declare a CapacityProfile.",
    Reason.SLO_VIOLATED: "No batch size meets the latency targets; `bindingConstraint` names the one that is missed. "
    "Of a placement and of `Planned`: its pods measured that they are too slow, nothing else meets the targets, and it "
    "goes on serving and scaling.",
    Reason.COST_LIMIT_EXCEEDED: "Dearer than the class's `limits.costPer1MTokens`.",
    Reason.ENERGY_LIMIT_EXCEEDED: "It needs more than the class's `limits.joulesPerToken`.",
    Reason.POOL_EXHAUSTED: "The pool's nodes, or the namespace's quota, have no room for the replicas that are needed.",
    Reason.COST_ABOVE_BEST: "It could serve; another costs less.",
    Reason.LATENCY_ABOVE_BEST: "It could serve; another answers sooner.",
    Reason.ENERGY_ABOVE_BEST: "It could serve; another needs less energy.",
    Reason.THROUGHPUT_BELOW_BEST: "It could serve; a replica of another makes more tokens per second.",
    # why a candidate was chosen
    Reason.CHEAPEST_WITHIN_SLO: "It meets the targets for the least money.",
    Reason.FASTEST_WITHIN_SLO: "It meets the targets and answers soonest.",
    Reason.LEAST_ENERGY_WITHIN_SLO: "It meets the targets with the least energy per token.",
    Reason.MOST_THROUGHPUT_WITHIN_SLO: "It meets the targets with the most tokens per second of a replica.",
    Reason.CHEAPEST_FOR_FLEET: "It meets the targets, and what would be better for it alone is worth more to others.",
    Reason.WORSE_FOR_FLEET: "Better for this workload alone, dearer in all: replicas that demand does not fill, or a "
    "pool that others need more.",
    Reason.INCUMBENT_KEPT: "Another would be better by less than what a move must save, so what runs stays.",
    Reason.MOVES_PAUSED: "What serves would be replaced, and `--pause-moves` is set: it keeps serving as it is.",
    Reason.NO_CANDIDATE: "No combination of pool, variant and engine can serve the workload; `status.rejected` says "
    "why for each.",
    Reason.PLANNED: "Every workload has a placement.",
    Reason.FROZEN: "It serves as before, but cannot be planned anew; the message says what is missing.",
    Reason.RECOMMEND_ONLY: "`placement.mode` is Recommend: the choice is shown, and what runs stays as it is.",
    # about what runs
    Reason.AVAILABLE: "Every workload has its replicas.",
    Reason.DEGRADED: "It serves, but something of what was planned is not there; the message says what.",
    Reason.NOT_PLANNED: "Nothing runs because nothing could be planned: see the condition `Planned`.",
    Reason.PODS_STARTING: "Fewer replicas are ready than must be; the pods start.",
    Reason.PODS_FAILING: "Pods cannot start; the message holds their own words.",
    Reason.NAME_CONFLICT: "An object of that name exists and is not the operator's. Rename the Model, or remove it.",
    Reason.APPLY_REJECTED: "The API server refused an object, for example for a quota; the message is its answer.",
    Reason.APPLY_FAILING: "The API server fails or does not answer; the operator tries again.",
    # about replicas
    Reason.SIGNAL_FRESH: "Metrics of every ready pod are fresh.",
    Reason.SIGNAL_STALE: "Pods do not answer scrapes, so replicas stay as they are.",
    Reason.NO_SIGNAL_YET: "No pod was scraped often enough to tell its throughput.",
    Reason.WITHIN_LIMITS: "Replicas follow the demand between their bounds.",
    Reason.SPILLED: "The pool of the workload's placement is full, and the next best takes what it has no room for.",
    Reason.MAX_REPLICAS: "Demand, observed or guaranteed, asks for more than `replicas.max`.",
    Reason.DEMAND: "Replicas changed with the demand.",
    Reason.SCALE_IN_DELAY: "Fewer would do, but not yet for as long as `scaling.scaleInDelay`.",
    Reason.STEADY: "The replicas are those that the demand asks for.",
    Reason.SCALED_ELSEWHERE: "`replicas.mode` is External: another autoscaler writes the replicas, so this operator "
    "neither scrapes the pods nor judges their number.",
    # about fields that this release does not act on
    Reason.ALL_FIELDS_OBEYED: "Every field that is given has an effect.",
    Reason.FIELDS_NOT_OBEYED_YET: "Some fields that are given have no effect in this release; the message lists them.",
    # about pools and classes
    Reason.ACCEPTED: "It can be used.",
    Reason.ENGINE_UNKNOWN: "The catalog has no engine of that name.",
    Reason.NODES_SHARED: "Another pool selects some of the same nodes; the message names it.",
    Reason.NODES_EXCLUSIVE: "No other pool selects the same nodes.",
    Reason.SLO_INCONSISTENT: "The latency targets contradict each other at the class's lengths; the message says how.",
    Reason.SLO_CONSISTENT: "The latency targets can hold together.",
}
