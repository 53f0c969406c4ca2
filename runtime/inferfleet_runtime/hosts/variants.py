"""Which build of an engine the child process gets. Reads the processor's flags, folders and the environment."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from inferfleet_runtime.engines import cpu

log = logging.getLogger(__name__)

PREFIX_VARIABLE = "INFERFLEET_ENGINE_DIR"
PREFIX = Path("/opt/inferfleet/variants")
"""Where the image has builds for certain processors: one folder each, named after the variant, with the package."""
KERNELS = "kernels.so"
"""Beside them: matrix products of runtime/kernels/, which the dynamic linker takes instead of any build's own."""
_SPINS = "1000"
"""Turns that a thread waits for the others before it sleeps, as libgomp waits where threads outnumber processors. It
cannot see that other pods use them, and then waits 300 times as long, at every layer: with two busy neighbours on two
processors that took 99 of 100 tokens per second."""
_CPUINFO = Path("/proc/cpuinfo")


def environment(
    inherited: Mapping[str, str] | None = None, cpuinfo: Path = _CPUINFO, package: str = "xllamacpp"
) -> dict[str, str]:
    """The child's environment: with the fastest build that this processor can run before all others."""
    found = dict(os.environ if inherited is None else inherited)
    prefix = Path(found.get(PREFIX_VARIABLE) or PREFIX)
    present = [folder.parent.name for folder in prefix.glob(f"*/{package}")]
    flags = cpu.flags(cpuinfo.read_text(encoding="utf-8")) if cpuinfo.is_file() else frozenset[str]()
    chosen = cpu.build(flags, present)
    kernels = prefix / KERNELS
    # the dynamic linker would take a space for the end of a path
    loads = kernels.is_file() and flags >= cpu.KERNELS_NEED and " " not in str(kernels)
    log.info("engine build chosen", extra={"variant": chosen.variant, "why": chosen.why, "kernels": loads})
    found.setdefault("GOMP_SPINCOUNT", _SPINS)
    if chosen.variant != cpu.GENERIC:
        _put_first(found, "PYTHONPATH", prefix / chosen.variant)
    if loads:
        _put_first(found, "LD_PRELOAD", kernels)
    return found


def _put_first(environment: dict[str, str], name: str, path: Path) -> None:
    rest = environment.get(name)
    environment[name] = f"{path}{os.pathsep}{rest}" if rest else str(path)
