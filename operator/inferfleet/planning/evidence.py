"""Whether a quantized variant is known to be good enough. Pure."""

from decimal import Decimal

from inferfleet.api.artifacts import Accuracy
from inferfleet.api.figures import figures
from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.catalog.loader import Quantization
from inferfleet.names import Reason
from inferfleet.planning.ways import Variant

FULL_PRECISION_BYTES = 2.0
"""Bytes per weight from which a format is what the model was published in: it needs no evidence."""


def evidence_holds(variant: Variant, quantization: Quantization, workload: WorkloadClassSpec) -> tuple[str, str] | None:
    """The reason and sentence why not, or None. A limit on accuracy loss asks for evidence, too."""
    allowed = workload.limits.accuracy_loss_percent
    required = workload.quantization is not None and workload.quantization.require_evidence
    if quantization.bytes_per_weight >= FULL_PRECISION_BYTES or not (required or allowed is not None):
        return None
    if not variant.accuracy:
        message = f"the class asks for evidence, and variant {variant.name} has no spec.variants[].accuracy"
        return Reason.NO_EVIDENCE, message
    worst = max(variant.accuracy, key=loss_percent)
    if allowed is not None and loss_percent(worst) > allowed:
        message = (
            f"{figures(loss_percent(worst), 2)} % lost on {worst.benchmark} ({worst.score} after {worst.baseline}), "
            f"{allowed} % allowed"
        )
        return Reason.ACCURACY_LOSS_EXCEEDED, message
    return None


def worst_loss(variant: Variant) -> Decimal | None:
    """Percent lost on the benchmark on which the variant lost most; None where nothing was measured."""
    return max((loss_percent(a) for a in variant.accuracy), default=None)


def loss_percent(accuracy: Accuracy) -> Decimal:
    """How much of the baseline is lost, in percent; never negative."""
    if not accuracy.baseline:
        return Decimal(0)
    return max(Decimal(0), (accuracy.baseline - accuracy.score) / accuracy.baseline * 100)
