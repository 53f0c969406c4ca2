"""Whether what the Model has can serve the class there: modality, format, source, evidence. Pure."""

from inferfleet.catalog.near import unknown
from inferfleet.names import Reason
from inferfleet.planning.candidates.engines import engine_of
from inferfleet.planning.evidence import evidence_holds
from inferfleet.planning.types import Candidate, Question, Rejection
from inferfleet_runtime.engines import EngineProfile


def modality_supported(c: Candidate, q: Question) -> Rejection | None:
    if q.workload.modality != q.architecture.modality:
        message = f"the class asks for {q.workload.modality}, and the model is for {q.architecture.modality}"
        return Rejection(c, Reason.MODALITY_UNSUPPORTED, message)
    if q.workload.modality in _engine(c, q).modalities:
        return None
    message = f"{c.engine} serves {', '.join(sorted(_engine(c, q).modalities))}, not {q.workload.modality}"
    return Rejection(c, Reason.MODALITY_UNSUPPORTED, message)


def quantization_known(c: Candidate, q: Question) -> Rejection | None:
    name = c.variant.quantization
    if name in q.quantizations:
        return None
    return Rejection(c, Reason.QUANTIZATION_UNKNOWN, unknown(name, q.quantizations))


def quantization_allowed(c: Candidate, q: Question) -> Rejection | None:
    allowed = q.workload.quantization.allow if q.workload.quantization else None
    if allowed is None or c.variant.quantization in allowed:
        return None
    message = f"the class allows {', '.join(allowed)}, not {c.variant.quantization}"
    return Rejection(c, Reason.QUANTIZATION_NOT_ALLOWED, message)


def accurate_enough(c: Candidate, q: Question) -> Rejection | None:
    quantization = q.quantizations[c.variant.quantization]
    problem = evidence_holds(c.variant, quantization, q.workload)
    return Rejection(c, *problem) if problem else None


def quantization_supported(c: Candidate, q: Question) -> Rejection | None:
    accelerator, name = c.pool.accelerator, c.variant.quantization
    served = name in _engine(c, q).serves
    if served and accelerator and accelerator.operations_for(q.quantizations[name]):
        return None
    message = f"{c.engine} does not serve {name} on {c.pool.accelerator_name}"
    return Rejection(c, Reason.QUANTIZATION_UNSUPPORTED, message)


def source_supported(c: Candidate, q: Question) -> Rejection | None:
    engine = _engine(c, q)
    if engine.wants == "directory" and c.variant.gguf:
        message = f"{c.engine} loads the files of a whole repository, and the variant is one GGUF file"
        return Rejection(c, Reason.SOURCE_UNSUPPORTED, message)
    known = engine.schemes
    if c.variant.scheme in known:
        return None
    message = f"this release fetches from {', '.join(sorted(known))}, not from {c.variant.scheme}"
    return Rejection(c, Reason.SOURCE_UNSUPPORTED, message)


def companions_supported(c: Candidate, q: Question) -> Rejection | None:
    return Rejection(c, Reason.SOURCE_UNSUPPORTED, c.variant.companions) if c.variant.companions else None


def _engine(c: Candidate, q: Question) -> EngineProfile:
    """A rule has refused candidates without one."""
    found = engine_of(c, q)
    assert found
    return found
