"""What is believed of the engine, from what was seen of it. Pure."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Timing:
    """Seconds."""

    interval: float = 5.0
    """Between two looks at an engine that is well."""
    retry: float = 1.0
    """Between two looks at one that is not."""
    timeout: float = 10.0
    """For one token of an engine that generates nothing for others either."""
    hung_after: float = 60.0
    """Without any sign of life, after which a restart is asked for. A step with a long chunk of a prompt takes seconds
    on a CPU; nothing takes this."""
    grace: float = 2.0
    """Of a drain, in which new requests still come: endpoints are withdrawn meanwhile."""
    poll: float = 0.25
    """Of a drain, between two looks at what is open."""
    drained_for: float = 30.0
    """After a drain, until an engine that still runs is believed to go on. After its own drain the kubelet ends it
    within 15."""


@dataclass(frozen=True)
class Health:
    """Of the engine as it runs now; another process of it begins anew."""

    alive_at: float
    """Monotonic seconds of the last sign of life; at first, of the beginning."""
    started: bool = False
    """Whether it has generated a token."""
    well: bool = False
    """Whether the last look was good."""
    message: str = "the engine has not answered yet"
    """What is wrong; empty while nothing is."""

    def seen_well(self, now: float) -> "Health":
        """It generated a token, for us or for others, under the right name."""
        return Health(now, started=True, well=True, message="")

    def seen_ill(self, message: str) -> "Health":
        """It answers, and not as it should; or not at all, while it keeps the connection."""
        return replace(self, well=False, message=message)

    def seen_down(self, message: str, now: float) -> "Health":
        """Nobody listens: it has not begun yet, or begins anew. The budget of its start is its own again."""
        return Health(now, message=message)

    def live(self, now: float, timing: Timing) -> bool:
        """Whether it may be left alone: one that hangs must be restarted, one that starts must not."""
        return not self.started or self.well or now - self.alive_at <= timing.hung_after
