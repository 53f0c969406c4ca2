"""What a round is given about a workload: what a plan asks for it, and what its pods said. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from inferfleet.planning.unit import Unit
from inferfleet.scaling.signal import Window
from inferfleet.scaling.step import Step

LATER = 900.0
"""Seconds in which requests that may wait are to be done, where the others are promised latencies: as long as OpenAI's
guide to flex processing tells clients to wait."""


@dataclass(frozen=True)
class Target:
    """A workload whose replicas follow demand; made from a plan. Times in seconds."""

    class_: str
    placement: str
    """Deployment that is scaled."""
    profile: str
    """Its CapacityProfile."""
    replicas: int
    minimum: int
    maximum: int
    room: int
    planned_capacity: float
    """Tokens per second of a replica while none is measured."""
    utilization: float
    delay: float
    request_tokens: float
    """Median tokens of a request of the class."""
    unit: Unit
    """What these tokens, its demand and its capacity are."""
    config: str = ""
    """Hash of the configuration that its pods shall have; empty: not known."""
    planned_demand: float = 0.0
    """Tokens per second to hold ready until traffic is observed."""
    prompt_tokens: float = 0.0
    """Median prompt of the class."""
    ttft: float | None = None
    """To the first token; None: no target."""
    itl: float | None = None
    """Between tokens; None: no target."""
    whole: float | None = None
    """To the whole answer; None: no target. Only where one is made at a time."""
    one_by_one: bool = False
    """Whether a replica makes one answer at a time: pictures, videos, transcripts."""
    percentile: int = 95
    """Share of requests, in percent, that must meet these."""
    step: Step | None = None
    """Planned line; None: replicas follow the measured throughput."""
    deadline: float | None = None
    """Seconds after its arrival in which a request must be done: of all requests where there are no latency targets,
    else of those that may wait. None: there are no such."""
    zero_after: float | None = None
    """Seconds without a request after which the last replica goes, where the minimum is 0; None: what a start is
    worth."""
    chunk: float | None = None
    """Prompt tokens that a step reads at most; None: not told."""
    boot: float = 30.0
    """Planned seconds to the first answer, until a pod was seen to boot."""

    @property
    def patient(self) -> bool:
        """Whether all of its requests may wait for their deadline."""
        return self.deadline is not None and self.itl is None and self.ttft is None and self.whole is None


@dataclass(frozen=True)
class Signals:
    """What a workload's pods said. Pods are named; windows of pods that are not ready are left out."""

    now: float
    windows: Mapping[str, Window]
    """By ready pod; empty for one that never answered."""
    own: frozenset[str]
    """Pods of the target placement: only their speed is its capacity."""
    boot: float
    max_age: float
    held: float | None = None
    """Requests that a gateway holds while no replica is ready; None: there is none that would."""
