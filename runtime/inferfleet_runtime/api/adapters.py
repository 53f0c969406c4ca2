"""LoRA adapters: models by the name, additions to one model in the engine. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from inferfleet_runtime.api.calls import Limits, Rewriter


def lora(model: str, limit: Limits) -> dict[str, Any]:
    """What the engine is told of adapters: one, or that there is none for this request."""
    if not limit.adapter_count:
        return {}
    place = limit.adapters.get(model)
    return {"lora": [] if place is None else [{"id": place, "scale": 1.0}]}


def renaming(model: str, limit: Limits) -> tuple[Callable[[], Rewriter], ...]:
    """The rewriters of an answer that an adapter gives."""
    return (partial(Renamed, model),) if model in limit.adapters else ()


@dataclass(frozen=True)
class Renamed:
    """A Rewriter: the engine calls itself by one name, whichever adapter answers."""

    model: str

    def event(self, payload: dict[str, Any]) -> list[dict[str, Any]]:
        """See Rewriter."""
        return [self.answer(payload)]

    def answer(self, payload: dict[str, Any]) -> dict[str, Any]:
        """See Rewriter."""
        return payload | {"model": self.model} if "model" in payload else payload
