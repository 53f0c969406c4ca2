"""Where a variant's bytes come from, as users say it and as the pod sees it. Pure."""

from collections.abc import Mapping, Sequence

from inferfleet.api.artifacts import Source, Variant
from inferfleet.names import digest
from inferfleet_runtime import contract
from inferfleet_runtime.contract import CLAIM_DIR

PVC = "pvc://"
OCI = "oci://"
HF = "hf://"
S3 = "s3://"
ASKED = (OCI, HF, S3, "gs://", "https://")
"""What a token can be asked for; files of a claim or of the pod have none."""
CREDENTIAL = "credential"
"""File with the content of the key that a source names."""
ACCESS_KEY, SECRET_KEY = "accessKeyId", "secretAccessKey"
"""Keys of a Secret with keys of AWS; a source names the first."""


def source_of(variant: Variant, variants: Mapping[str, Variant]) -> Source:
    """Of the file that is fetched: its own, or that of the variant it is quantized from."""
    found = (variants[variant.quantize_from] if variant.quantize_from else variant).source
    assert found  # a rule of the CRD
    return found


def sourceless(variants: Sequence[Variant]) -> str:
    """What keeps a variant from having a file to fetch, or empty: an object may be older than the CRD's rules."""
    if len({v.name for v in variants}) < len(variants):
        return "spec.variants: two have the same name"
    given = {v.name for v in variants if v.source}
    for variant in variants:
        if variant.quantize_from and variant.quantize_from not in given:
            return f"spec.variants[{variant.name}]: quantizeFrom names {variant.quantize_from}, which has no source"
        if not (variant.quantize_from or variant.source):
            return f"spec.variants[{variant.name}]: it has neither source nor quantizeFrom"
    return ""


def seen_as(uri: str) -> str:
    """The URI that the pod is told: a claim is mounted, so its files are local."""
    return f"file://{CLAIM_DIR}/{uri.removeprefix(PVC).partition('/')[2]}" if uri.startswith(PVC) else uri


def claim(uri: str) -> str | None:
    """The PersistentVolumeClaim to mount."""
    return uri.removeprefix(PVC).partition("/")[0] if uri.startswith(PVC) else None


def image(uri: str) -> str | None:
    """The image to mount."""
    return uri.removeprefix(OCI).split("#")[0] if uri.startswith(OCI) else None


def told(source: Source) -> contract.Source:
    """As the pod is told of it."""
    return contract.Source(
        uri=seen_as(source.uri),
        sha256=source.sha256,
        revision=source.revision if source.uri.startswith(HF) else None,
        credentials=credentials(source),
    )


def credentials(source: Source) -> str | None:
    """The folder that its credentials are mounted in: one for each key of a Secret."""
    given = source.credentials
    if given is None or not source.uri.startswith(ASKED):
        return None
    return f"credentials-{digest([given.secret_name, given.key], 8)}"


def unmounted(uri: str, main: str) -> str:
    """Why a speculator or adapter at `uri` cannot be brought to the pod whose model is at `main`; empty if it can.

    A pod mounts one claim: that of its model. An image of their own is pulled by the pod.
    """
    if claim(uri) and claim(uri) != claim(main):
        return f"{uri}: speculators and adapters of a claim must be in the claim of the variant ({main})"
    return ""
