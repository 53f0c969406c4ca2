"""What a measured capacity is about: names by content, the same for every Model that has it. Pure."""

from inferfleet.names import digest, join


def content_name(what: tuple[str, str, str], where: tuple[str, float], slots: int, lengths: tuple[int, int]) -> str:
    """Readable, and unique by what decides the speed.

    `what` is (architecture, quantization, engine), `where` (accelerator, how many of a replica), `lengths` the
    median (prompt, completion) in tokens.
    """
    architecture, quantization, engine = what
    accelerator, count = where
    key = [architecture, quantization, engine, accelerator, count, slots, *lengths]
    readable = quantization.lower().replace("_", "-")
    return join(architecture.replace(".", "-"), readable, accelerator, digest(key, 10))
