"""Presets of WorkloadClass for the usual kinds of traffic. Pure."""

from typing import Annotated

from pydantic import Field

from inferfleet.api.strings import Name
from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.catalog.entry import Entry


class WorkloadPreset(Entry):
    """A kind of traffic with the spec that a WorkloadClass of this name gets, and where its numbers come from."""

    name: Name
    """Also the name of the WorkloadClass."""
    title: Annotated[str, Field(min_length=1, max_length=120)]
    spec: WorkloadClassSpec
