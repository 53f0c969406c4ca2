"""How much a request asks of an engine. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """Size of a request in tokens: what it sends and at most gets."""

    prompt: int
    output: int

    @property
    def total(self) -> int:
        """What the bound of the queue counts."""
        return self.prompt + self.output
