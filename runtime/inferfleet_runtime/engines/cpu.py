"""Which build of an engine suits a processor. Pure: /proc/cpuinfo is given as text.

A build is made for one set of instructions and ends the process where one of them is missing, so a build is
used only where the processor has all that its compiler was allowed to use.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

GENERIC = "generic"
"""The wheel as it is published; runs everywhere."""
_AVX512 = frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "avx512_bf16"})
_NEEDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "amx": _AVX512 | {"amx_tile", "amx_int8", "amx_bf16"},
        "avx512": _AVX512,
    }
)
"""Flags of /proc/cpuinfo by variant, the fastest first. All are of x86-64; arm64 has the generic build alone."""


KERNELS_NEED = frozenset({"avx2", "fma", "f16c"})
"""Flags without which the project's own matrix products (runtime/kernels/) must not be loaded."""


@dataclass(frozen=True)
class Build:
    """One build of an engine."""

    variant: str
    why: str
    """One sentence for the log."""


def flags(cpuinfo: str) -> frozenset[str]:
    """Those of the first processor; empty on a machine that lists none (arm64 names them otherwise)."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return frozenset(value.split())
    return frozenset()


def build(flags: Collection[str], present: Collection[str]) -> Build:
    """The fastest of the builds that are `present` and that a processor with `flags` can run."""
    missing = ""
    for variant, needs in _NEEDS.items():
        lacks = needs.difference(flags)
        if variant in present and not lacks:
            return Build(variant, f"the processor has all that the {variant} build needs")
        if not lacks:
            missing = missing or f"the processor could run a build for {variant}, and there is none here"
    return Build(GENERIC, missing or "the processor has neither AVX-512 with VNNI and BF16 nor AMX")
