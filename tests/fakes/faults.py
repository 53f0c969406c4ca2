"""Faults of the fake cluster: errors it answers with, and moments at which the operator dies."""

from dataclasses import dataclass, field

from inferfleet import errors
from inferfleet.kube.kinds import Kind


class Stopped(BaseException):
    """The operator's process ended here. Not an Exception: no handler of the operator may survive it."""


@dataclass(frozen=True)
class Write:
    """One write as it was sent."""

    verb: str
    kind: str
    namespace: str
    name: str


@dataclass
class Fault:
    """An error to answer with, `times` times, to calls of this verb and kind."""

    error: errors.ApiError
    verb: str = ""
    """Empty: any."""
    kind: Kind | None = None
    """None: any."""
    times: int = 1
    after: bool = False
    """The write takes effect and only its answer is lost."""


@dataclass
class Faults:
    """What is to go wrong next."""

    errors: list[Fault] = field(default_factory=list)
    stopped: Stopped | None = None
    _stop_at: int = 0
    _stop_after: bool = False

    def stop(self, write: int, *, after: bool) -> None:
        """Die before or after the write with this number."""
        self._stop_at, self._stop_after = write, after

    def before(self, verb: str, kind: Kind) -> None:
        """Raise what a call of this verb meets before it takes effect."""
        if self.stopped:
            raise self.stopped
        self._raise(verb, kind, after=False)

    def before_write(self, number: int) -> None:
        """Die before this write, where that was asked for."""
        if self.stopped:
            raise self.stopped
        if number == self._stop_at and not self._stop_after:
            self._die()

    def after_write(self, number: int, verb: str, kind: Kind) -> None:
        """Die, or lose the answer, after this write."""
        if number == self._stop_at and self._stop_after:
            self._die()
        self._raise(verb, kind, after=True)

    def _die(self) -> None:
        self._stop_at = 0
        self.stopped = Stopped("the operator stops here")
        raise self.stopped

    def _raise(self, verb: str, kind: Kind, *, after: bool) -> None:
        for fault in self.errors:
            if fault.after == after and fault.verb in ("", verb) and fault.kind in (None, kind):
                fault.times -= 1
                if fault.times == 0:
                    self.errors.remove(fault)
                raise fault.error
