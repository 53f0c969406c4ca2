"""The ways of serving that are compared, from naive to specialized. Pure but for asking what is installed."""

import importlib.util
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

SLOTS = 16
ONE: Mapping[str, Any] = {"slots": 1, "prefixCache": "Off"}
WHEEL, KERNELS, NATIVE = "wheel", "kernels", "native"
"""Builds of llama.cpp: as it is published; the same with the project's matrix products; both for this processor."""


@dataclass(frozen=True)
class Arm:
    """One server and how it is loaded."""

    name: str
    words: str
    """For the table."""
    file: str
    """Quantization of the weights."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Of the configuration."""
    build: str = WHEEL
    at_once: int = SLOTS
    requests: int = 2 * SLOTS
    primed: bool = True
    """Whether the shared prefix was seen before."""


NAIVE = Arm("naive", "naive: F16, one at a time, no cache", "F16", ONE, at_once=1, requests=3, primed=False)
ARMS: tuple[Arm, ...] = (
    NAIVE,
    Arm("naive_native", "naive with the native build", "F16", ONE, NATIVE, at_once=1, requests=3, primed=False),
    Arm("q4", "+ Q4_0", "Q4_0", ONE, at_once=1, requests=4, primed=False),
    Arm("q4_batch", "+ continuous batching, 16 slots", "Q4_0", {"prefixCache": "Off"}, requests=SLOTS),
    Arm("fan_out", "+ prefix fan-out", "Q4_0"),
    Arm("wheel", "+ the generic wheel's fastest type: Q4_K_S", "Q4_K_S"),
    Arm("kernels", "Q4_0 + the project's matrix products", "Q4_0", build=KERNELS),
    Arm("native", "Q4_0 + native build", "Q4_0", build=NATIVE),
    Arm("openvino_q8", "OpenVINO, Q8_0", "Q8_0", {"engine": "openvino-genai"}),
    Arm("openvino", "OpenVINO, Q4_0", "Q4_0", {"engine": "openvino-genai"}),
)
"""In the order of the table; each adds to the one before, down to the generic wheel's best; the others to `fan_out`."""


def draft(name: str, file: Path, build: str) -> tuple[Arm, Arm]:
    """Decoding one request at a time, without and with a draft model."""
    alone = Arm(f"without_{name}", "one at a time, Q8_0", "Q8_0", {"slots": 1}, build, at_once=1, requests=6)
    speculation = {"method": "Draft", "source": {"uri": f"file://{file}"}}
    return alone, replace(alone, name=f"with_{name}", changes={"slots": 1, "speculation": speculation})


def able(arms: tuple[Arm, ...], builds: Collection[str]) -> tuple[Arm, ...]:
    """Those that can run here: without OpenVINO or a build some cannot."""
    openvino = importlib.util.find_spec("openvino_genai") is not None
    return tuple(
        arm for arm in arms if arm.build in builds and (openvino or arm.changes.get("engine") != "openvino-genai")
    )
