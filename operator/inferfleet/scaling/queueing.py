"""Replicas for a wait: what queues say of load, chance and patience. Pure. Seconds, and replicas in parts."""

from math import exp, isfinite, sqrt


def for_wait(load: float, service: float, wait: float, late: float, variation: float = 1.0) -> float:
    """Replicas with which at most the share `late` of arrivals waits longer than `wait` for those before it.

    Each serves one at a time for `service` seconds in the mean; `load` of them would be exactly busy. P(wait > t) of
    M/M/c: Erlang's C in the approximation of Sakasegawa (1977), rho^(sqrt(2 (c + 1)) - 1), times
    exp(-(c - load) t / service). `variation` stretches the wait as Allen and Cunneen (1978) do for G/G/c: half the sum
    of the squared coefficients of variation of arrivals and of services. Found by halving.
    """
    if not isfinite(wait) or load <= 0 or service <= 0:
        return 0.0
    patience = wait / (service * variation)

    def enough(c: float) -> bool:
        return bool((load / c) ** (sqrt(2 * (c + 1)) - 1) * exp(-(c - load) * patience) <= late)

    low, high = load, load + 1.0
    while not enough(high):
        high += high - low
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def for_backlog(load: float, queued: float, horizon: float, wait: float) -> float:
    """Replicas with which, a `horizon` from now, no more waits than is begun within `wait`.

    Each does a second of work in a second: queued + load x horizon - c x horizon <= c x wait. Without a target
    for it (`wait` 0 or infinite) that is the load, and the queue spread over the horizon.
    """
    return (queued + load * horizon) / (horizon + (wait if isfinite(wait) else 0.0))
