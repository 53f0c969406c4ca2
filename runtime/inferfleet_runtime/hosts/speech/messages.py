"""How sound and what was said travel to and from the process with the model. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from inferfleet_runtime.api.speech import Hearing, Listener, Segment, Transcript
from inferfleet_runtime.hosts.media.messages import Dialect


@dataclass(frozen=True)
class Said:
    """Sound, and what to make of it."""

    hearing: Hearing
    sound: bytes
    """As `api.sound` has it."""


def _read_transcript(_: Mapping[str, Any], content: bytes) -> Transcript:
    said = json.loads(content)
    segments = (Segment(**{**segment, "tokens": tuple(segment["tokens"])}) for segment in said["segments"])
    return Transcript(said["language"], tuple(segments))


SPEECH: Dialect[Listener, Said, Transcript] = Dialect(
    write_facts=asdict,
    read_facts=lambda said: Listener(**said),
    write_asked=lambda said: (asdict(said.hearing), said.sound),
    read_asked=lambda said, sound: Said(Hearing(**said), sound),
    # not in the line: hours of speech are more than the longest one
    write_made=lambda transcript: ({}, json.dumps(asdict(transcript)).encode()),
    read_made=_read_transcript,
)
