"""When the last replica goes, and when the first one comes back. Pure.

Ski rental: nobody knows when the next request comes. A replica that idles costs its price; one that is gone costs a
cold start. Who waits until the idling has cost as much as the cold start pays at most twice what foresight would
(Karlin et al. 1988). A cold start costs the boot, which is paid like any other time, and the wait of whoever is held.
"""

COLD_STARTS = 2.0
"""What a cold start costs in boot times of a replica: the boot itself, and as much again for those who wait for it."""


def patience(boot: float, asked: float | None) -> float:
    """Seconds without a request after which the last replica goes; `asked` is the class's own, if it has one."""
    return asked if asked is not None else COLD_STARTS * boot


def asleep(idle: float, after: float, held: float | None) -> bool:
    """Whether none shall run: nobody is held, and nobody came for so long. Never where nobody would be held."""
    return held is not None and held <= 0 and idle >= after
