"""What the server and the process with the pipeline tell each other: a line of JSON, perhaps bytes after it. Pure.

To the process: `{"id", "generate": {...}}`, `{"id", "cancel": true}` and `{"ping": true}`. From it: first
`{"pipeline": {...}}`, then `{"pong": true}` for each ping, and for each id `{"id", "step": n}` and one of
`{"id", "bytes": n, "prompt_tokens": n}` with n bytes behind it, `{"id", "refused": text, "code": text}`,
`{"id", "cancelled": true}`, `{"id", "failed": text}`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from inferfleet_runtime.api.media import Generation, Pipeline, Shape

PING = b'{"ping": true}\n'
PONG = b'{"pong": true}\n'


def line(message: Mapping[str, Any]) -> bytes:
    """One message without what may follow it."""
    return json.dumps(message).encode() + b"\n"


def ask(number: int, generation: Generation) -> bytes:
    """Make this; the answers carry the number."""
    return line({"id": number, "generate": asdict(generation)})


def cancel(number: int) -> bytes:
    """Stop it after the step that runs."""
    return line({"id": number, "cancel": True})


def hello(pipeline: Pipeline) -> bytes:
    """The model is loaded."""
    return line({"pipeline": asdict(pipeline) | {"options": sorted(pipeline.options)}})


def read_generation(message: Mapping[str, Any]) -> Generation:
    """Of a message that asks for one."""
    asked = dict(message["generate"])
    return Generation(**asked | {"shape": Shape(**asked["shape"])})


def read_pipeline(said: bytes) -> Pipeline:
    """Of the first line."""
    known = json.loads(said)["pipeline"]
    return Pipeline(**known | {"usual": Shape(**known["usual"]), "options": frozenset(known["options"])})
