"""What a measured capacity is about: names by content, the same for every Model that has it. Pure."""

from collections.abc import Mapping

from inferfleet.names import digest, join


def content_name(
    what: tuple[str, str, str],
    where: tuple[str, float],
    slots: int,
    lengths: tuple[int, int],
    settings: Mapping[str, str],
    version: str = "",
) -> str:
    """Readable, and unique by what decides the speed.

    `what` is (architecture, quantization, engine), `where` (accelerator, how many of a replica), `lengths` the
    median (prompt, completion) in tokens, `settings` what else differs from the engine's defaults, `version` the
    engine's where it is not the first that was measured.
    """
    architecture, quantization, engine = what
    accelerator, count = where
    key = [architecture, quantization, engine, accelerator, count, slots, *lengths]
    if settings:  # without them the name is that of releases that knew none
        key.append(dict(settings))
    if version:
        key.append(f"version {version}")
    readable = quantization.lower().replace("_", "-")
    return join(architecture.replace(".", "-"), readable, accelerator, digest(key, 10))
