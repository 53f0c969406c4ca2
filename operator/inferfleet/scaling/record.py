"""What is kept of a decision, for people and for programs: small, and only numbers and words. Pure."""

from dataclasses import dataclass

from inferfleet.scaling.law import Decision, Need, ScaleInput


@dataclass(frozen=True)
class Record:
    """The inputs, the forecast, the capacity and the bound that was active. Seconds, tokens and replicas."""

    at: float
    """On the monotonic clock."""
    before: int
    """Replicas until now."""
    replicas: int
    wanted: int
    reason: str
    bound: str
    """What decided how many are needed; empty: nothing was computed."""
    need: float
    """Replicas in parts."""
    load: float
    """Replicas that the forecast would keep exactly busy."""
    arrivals: float
    """Requests per second now."""
    forecast: float
    """And at the horizon, the backlog included."""
    horizon: float
    waiting: float
    prompt_tokens: float
    """Of a mean request, without what a prefix cache has."""
    output_tokens: float
    capacity: float
    """Tokens per second of one replica within its limits."""
    busiest: float
    """Share of its time that one may be busy for no more requests to be late than promised."""
    trim: float
    fresh: bool
    message: str


def record(x: ScaleInput, found: Decision, horizon: float) -> Record:
    """Of a decision; `horizon` in seconds."""
    need = found.need or Need(float(found.wanted), 0.0, 0.0, "")
    return Record(
        at=x.now,
        before=x.replicas,
        replicas=found.replicas,
        wanted=found.wanted,
        reason=found.reason,
        bound=need.bound,
        need=need.replicas,
        load=need.load,
        arrivals=x.demand.arrivals,
        forecast=x.demand.forecast,
        horizon=horizon,
        waiting=x.demand.waiting,
        prompt_tokens=x.demand.shape.prompt,
        output_tokens=x.demand.shape.output,
        capacity=need.capacity,
        busiest=x.busiest,
        trim=x.trim,
        fresh=found.fresh,
        message=found.message,
    )
