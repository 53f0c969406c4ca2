"""Hardware presets: what one accelerator has, how nodes with it are found, and what must be known to use it. Pure."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from inferfleet.catalog.entry import Entry, Part, Value, number
from inferfleet.catalog.quantization_entries import Quantization

Kind = Literal["CPU", "GPU", "NPU", "TPU", "LPU", "WSE"]
Tier = Literal["Full", "Experimental", "Legacy"]
"""Legacy: the vendor or the engines' makers have stopped developing for it."""
Count = Annotated[int, Field(ge=1)]


class NodeMatch(Part):
    """A label by which nodes with this hardware are known."""

    key: str
    values: tuple[str, ...] = ()
    """Exact values; any of them."""
    pattern: str | None = None
    """Or a regular expression, which no node selector can express."""


class Quirk(Part):
    """Something that plans must respect or people must know."""

    id: str
    text: str


class Accelerator(Entry):
    """One kind of hardware. Speeds are per accelerator and second; for CPUs per core (a virtual CPU of Kubernetes).

    Peaks are dense: vendors' figures with sparsity are twice as large.
    """

    title: str = ""
    vendor: str | None = None
    kind: Kind
    tier: Tier = "Full"
    access: tuple[Literal["Nodes", "External", "DynamoLPX"], ...] = ("Nodes",)
    """Nodes of the cluster, a provider's endpoint outside it, or NVIDIA Dynamo's operator."""
    architecture: str | None = None
    """As the tables of engines.yaml name it: sm90, gfx942, x86-64-v4, ..."""
    engines: tuple[str, ...] = ()
    memory: Annotated[float | None, Field(gt=0)] = None
    """Bytes that can be allocated, below what vendors advertise. None for CPUs, whose replicas state their memory, and
    where the same chip comes with different memories."""
    memory_bandwidth: Annotated[float, Field(gt=0)]
    """Bytes per second. For CPUs with measured `operations` the effective rate of decoding, else the peak."""
    operations: Mapping[str, Value] = {}
    """Per second, a multiply-add counted as two: peaks by arithmetic (BF16, FP8, INT8, FP4), or what was measured by
    quantization of the weights (Q4_0), which already contains the engine's efficiency."""
    link_bandwidth: Value | None = None
    """Bytes per second between accelerators of a node, both directions together."""
    tdp_watts: Value | None = None
    on_demand_price: Value | None = None
    """USD for one accelerator for an hour at list price: for ranking only, pools state their own."""
    resource_name: str | None = None
    """Extended resource of the device plugin; None for CPUs and what has no nodes."""
    device_class: str | None = None
    """DeviceClass for dynamic resource allocation."""
    mig_profiles: tuple[str, ...] = ()
    node_match: tuple[NodeMatch, ...] = ()
    """Any of them is enough."""
    default_selector: Mapping[str, str] = {}
    """Selector of a pool that gives none; empty where no label says it exactly."""
    counts: tuple[Count, ...] = ()
    """Accelerators that one replica may have; empty: any number that a node has."""
    tolerations: tuple[Mapping[str, str], ...] = ()
    scheduler_name: str | None = None
    extra_resources: Mapping[str, str] = {}
    """Other resources that pods must request."""
    quirks: tuple[Quirk, ...] = ()

    def operations_for(self, quantization: Quantization) -> float | None:
        """Operations per second with weights of this quantization.

        What was measured with it comes first, then the peak of its arithmetic, then of what kernels expand it to;
        None where nothing is known.
        """
        kinds = (quantization.name, quantization.compute_type, quantization.fallback_type)
        found = (number(self.operations.get(kind)) for kind in kinds if kind)
        return next((value for value in found if value is not None), None)

    @property
    def watts(self) -> float | None:
        """Thermal design power; None where the vendor gives none."""
        return number(self.tdp_watts)
