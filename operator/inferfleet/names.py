"""Every label, annotation, condition type, reason and name function. Pure.

Names are permanent: a golden test pins them; add, never change.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from inferfleet.api.base import GROUP

MANAGER = "inferfleet"
"""Field manager of children."""
STATUS_MANAGER = "inferfleet-status"
LEASE = "inferfleet-operator"

LABEL_MANAGED = f"{GROUP}/managed"
LABEL_MODEL = f"{GROUP}/model"
LABEL_CLASS = f"{GROUP}/class"
LABEL_POOL = f"{GROUP}/pool"
LABEL_VARIANT = f"{GROUP}/variant"
LABEL_ENGINE = f"{GROUP}/engine"
LABEL_PLACEMENT = f"{GROUP}/placement"
PLACEMENT_LABELS = (LABEL_MODEL, LABEL_CLASS, LABEL_POOL, LABEL_VARIANT, LABEL_ENGINE, LABEL_PLACEMENT)
"""What makes a Deployment a placement: one that lacks any was meddled with, or is not ours."""
MANAGED_SELECTOR = f"{LABEL_MANAGED}=true"

ANNOTATION_HASH = f"{GROUP}/desired-hash"
ANNOTATION_CONFIG = f"{GROUP}/config-hash"
ANNOTATION_SLOTS = f"{GROUP}/slots"
ANNOTATION_PROFILE = f"{GROUP}/capacity-profile"
"""On a Deployment: the CapacityProfile that its pods measure."""
ANNOTATION_IMAGE = f"{GROUP}/runtime-image"
"""On a Deployment: the runtime image that its pods were given, before a pool's podTemplatePatch."""

ANNOTATION_DIALECT = f"{GROUP}/configuration-dialect"
"""On a Deployment: of what its runtime image understands (`fleet.build.dialect`); absent: the first."""
ANNOTATION_ENGINE_VERSION = f"{GROUP}/engine-version"
"""On a Deployment: of the engine that its runtime image brings (`planning.content.version`); absent: the first."""
ANNOTATION_SPILL = f"{GROUP}/spill"
"""On a Deployment: `true` where it only takes what the pool of its workload's placement has no room for."""

SERVICE_PORT = 80
_TOGETHER = "_"


class Cond:
    """Condition types."""

    READY = "Ready"
    PLANNED = "Planned"
    DEPLOYED = "Deployed"
    SIGNAL_FRESH = "SignalFresh"
    WITHIN_LIMITS = "WithinLimits"
    FIELDS_OBEYED = "FieldsObeyed"
    ACCEPTED = "Accepted"
    """Of a HardwarePool or WorkloadClass: whether it can be used."""
    NODES_EXCLUSIVE = "NodesExclusive"
    """Of a HardwarePool: whether no other pool counts the same nodes."""
    SLO_CONSISTENT = "SLOConsistent"
    """Of a WorkloadClass."""


class Reason:
    """Stable codes: conditions, rejected candidates, scaling decisions and events."""

    # validation
    INVALID_SPEC = "InvalidSpec"
    CLASS_NOT_FOUND = "ClassNotFound"
    CLASS_INVALID = "ClassInvalid"
    ARCHITECTURE_UNKNOWN = "ArchitectureUnknown"
    INTERNAL_ERROR = "InternalError"
    CLASS_NOT_ALLOWED = "ClassNotAllowed"
    # freezing
    POOL_NOT_FOUND = "PoolNotFound"
    NODES_NOT_FOUND = "NodesNotFound"
    # rejecting
    POOL_INVALID = "PoolInvalid"
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    NOT_PINNED = "NotPinned"
    PARALLELISM_UNSUPPORTED = "ParallelismUnsupported"
    EXTERNAL_NOT_ALLOWED = "ExternalNotAllowed"
    EXTERNAL_NOT_SERVED = "ExternalNotServed"
    MODEL_NOT_OFFERED = "ModelNotOffered"
    ACCELERATOR_UNKNOWN = "AcceleratorUnknown"
    ENGINE_UNSUPPORTED = "EngineUnsupported"
    REPLICA_NOT_DECLARED = "ReplicaNotDeclared"
    MODALITY_UNSUPPORTED = "ModalityUnsupported"
    TOPOLOGY_UNSUPPORTED = "TopologyUnsupported"
    CONTEXT_TOO_LONG = "ContextTooLong"
    QUANTIZATION_UNKNOWN = "QuantizationUnknown"
    NO_EVIDENCE = "NoEvidence"
    ACCURACY_LOSS_EXCEEDED = "AccuracyLossExceeded"
    SOURCE_UNSUPPORTED = "SourceUnsupported"
    SERVING_UNSUPPORTED = "ServingUnsupported"
    QUANTIZATION_UNSUPPORTED = "QuantizationUnsupported"
    QUANTIZATION_NOT_ALLOWED = "QuantizationNotAllowed"
    NO_PRICE = "NoPrice"
    NO_POWER = "NoPower"
    MEMORY_DOES_NOT_FIT = "MemoryDoesNotFit"
    OUTSIDE_ENVELOPE = "OutsideEnvelope"
    SLO_VIOLATED = "SLOViolated"
    COST_LIMIT_EXCEEDED = "CostLimitExceeded"
    ENERGY_LIMIT_EXCEEDED = "EnergyLimitExceeded"
    POOL_EXHAUSTED = "PoolExhausted"
    COST_ABOVE_BEST = "CostAboveBest"
    LATENCY_ABOVE_BEST = "LatencyAboveBest"
    ENERGY_ABOVE_BEST = "EnergyAboveBest"
    THROUGHPUT_BELOW_BEST = "ThroughputBelowBest"
    # choosing
    CHEAPEST_WITHIN_SLO = "CheapestWithinSLO"
    FASTEST_WITHIN_SLO = "FastestWithinSLO"
    LEAST_ENERGY_WITHIN_SLO = "LeastEnergyWithinSLO"
    MOST_THROUGHPUT_WITHIN_SLO = "MostThroughputWithinSLO"
    INCUMBENT_KEPT = "IncumbentKept"
    CHEAPEST_FOR_FLEET = "CheapestForFleet"
    WORSE_FOR_FLEET = "WorseForFleet"
    MOVES_PAUSED = "MovesPaused"
    NO_CANDIDATE = "NoCandidate"
    PLANNED = "Planned"
    FROZEN = "Frozen"
    RECOMMEND_ONLY = "RecommendOnly"
    # deploying
    AVAILABLE = "Available"
    DEGRADED = "Degraded"
    NOT_PLANNED = "NotPlanned"
    PODS_STARTING = "PodsStarting"
    PODS_FAILING = "PodsFailing"
    NAME_CONFLICT = "NameConflict"
    APPLY_REJECTED = "ApplyRejected"
    APPLY_FAILING = "ApplyFailing"
    # scaling
    SIGNAL_FRESH = "SignalFresh"
    SIGNAL_STALE = "SignalStale"
    NO_SIGNAL_YET = "NoSignalYet"
    WITHIN_LIMITS = "WithinLimits"
    SPILLED = "Spilled"
    MAX_REPLICAS = "MaxReplicas"
    DEMAND = "Demand"
    SCALE_IN_DELAY = "ScaleInDelay"
    STEADY = "Steady"
    SCALED_ELSEWHERE = "ScaledElsewhere"
    # fields
    ALL_FIELDS_OBEYED = "AllFieldsObeyed"
    FIELDS_NOT_OBEYED_YET = "FieldsNotObeyedYet"
    # accepting pools and classes
    ACCEPTED = "Accepted"
    ENGINE_UNKNOWN = "EngineUnknown"
    NODES_SHARED = "NodesShared"
    NODES_EXCLUSIVE = "NodesExclusive"
    SLO_INCONSISTENT = "SLOInconsistent"
    SLO_CONSISTENT = "SLOConsistent"


def digest(value: Any, length: int = 8) -> str:
    """Hex digest of a JSON value, independent of key order."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:length]


def join(*parts: str, limit: int = 63) -> str:
    """`a-b-c`; over the limit, cut and made unique by a hash of the whole."""
    whole = "-".join(parts)
    if len(whole) <= limit:
        return whole
    return f"{whole[: limit - 9].rstrip('-')}-{digest(whole)}"


def shared(classes: Iterable[str]) -> str:
    """The value of the class label of what serves several; no class has a name with such a sign."""
    return _TOGETHER.join(sorted(classes))


def classes_of(label: str) -> tuple[str, ...]:
    """Whom a class label is for."""
    return tuple(label.split(_TOGETHER))


def placement_id(pool: str, variant: str, engine: str, class_: str = "") -> str:
    """What makes two placements of a workload different; other settings roll out in place."""
    return digest([pool, variant, engine, *([class_] if _TOGETHER in class_ else [])])


def placement_name(model: str, class_: str, placement: str) -> str:
    """Name of a placement's Deployment, at most 52 characters so that pod names keep their suffix."""
    return f"{join(model, *classes_of(class_), limit=43)}-{placement}"


def config_name(deployment: str) -> str:
    """Name of the ConfigMap with the RuntimeConfig of a placement, by the name of its Deployment."""
    return f"{deployment}-config"


def service_name(model: str, class_: str) -> str:
    """Name of a workload's Service."""
    return join(model, class_)


def endpoint_url(namespace: str, model: str, class_: str) -> str:
    """OpenAI base URL of a workload inside the cluster."""
    return f"http://{service_name(model, class_)}.{namespace}.svc/v1"


def workload_labels(model: str, class_: str) -> dict[str, str]:
    """What selects all pods of a workload."""
    return {LABEL_MODEL: model, LABEL_CLASS: class_}
