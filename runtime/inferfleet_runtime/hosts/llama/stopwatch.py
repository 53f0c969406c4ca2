"""What proposals cost, measured: a step that has some beside one soon after it, which gets none to compare. No I/O.

How long a step takes depends on the model, the build, the processor, its other users, and how many requests run. Steps
next to each other share all of these; the median of several pairs is not led astray by a prefill in between. Between
the two is one that gets none either: the first of another size builds its graph anew, which llama.cpp then reuses.
"""

from collections import deque
from dataclasses import dataclass
from statistics import median

from inferfleet_runtime.hosts.llama.speculation import Cost

_EVERY, _SELDOM = 8, 64
"""Steps with proposals from one comparison to the next: while the cost is not known, and after that."""
_PLAIN = 2
"""Steps of a comparison without proposals; the last counts."""
_PAIRS = 9
_FEWEST = 3
"""Comparisons of which the median is taken, at most and at least."""


@dataclass
class _Step:
    at: float
    slots: tuple[int, ...]
    """That generate in it."""
    proposed: int = 0
    reading: float = 0.0
    """Seconds that the draft model took to read what the model has read."""
    plain: int = 0
    """Steps, this one included, that were to propose nothing."""
    seconds: float = 0.0
    """Once it has ended."""


class Stopwatch:
    """Of an engine's loop. All times are monotonic seconds."""

    def __init__(self) -> None:
        """Nothing is known."""
        self._pairs: deque[Cost] = deque(maxlen=_PAIRS)
        self._last: _Step | None = None
        self._step: _Step | None = None
        self._drafted: _Step | None = None
        """What is compared with."""
        self._since = 0

    def begin(self, at: float, slots: tuple[int, ...]) -> None:
        """A step begins, and with it the one before has ended."""
        ended = self._step
        if ended:
            ended.seconds = at - ended.at
            if ended.plain == _PLAIN and self._drafted and ended.slots == slots:
                self._compare(self._drafted, ended)
        self._last, self._step = ended, _Step(at, slots)

    def compares(self) -> bool:
        """Whether nothing is to be proposed in this step."""
        last, step = self._last, self._step
        if not (last and step) or last.slots != step.slots:
            return False
        if 0 < last.plain < _PLAIN:
            step.plain = last.plain + 1
            return True
        self._since += 1
        due = self._since >= (_SELDOM if len(self._pairs) >= _FEWEST else _EVERY)
        if not due or last.proposed < len(last.slots):
            return False
        self._since, self._drafted, step.plain = 0, last, 1
        return True

    def proposes(self, tokens: int) -> None:
        """In this step, of all slots."""
        if self._step:
            self._step.proposed = tokens

    def reads(self, seconds: float) -> None:
        """The draft model, in this step."""
        if self._step:
            self._step.reading += seconds

    def cost(self) -> Cost:
        """What is known by now."""
        if len(self._pairs) < _FEWEST:
            return Cost()
        return Cost(median(pair.token for pair in self._pairs), median(pair.step for pair in self._pairs))

    def _compare(self, drafted: _Step, plain: _Step) -> None:
        alone = plain.seconds - plain.reading
        if alone <= 0:
            return
        more = (drafted.seconds - drafted.reading) / alone - 1
        tokens = drafted.proposed / len(drafted.slots)
        self._pairs.append(Cost(max(0.0, more / tokens), drafted.reading / alone))
