"""A histogram for what happens with every token. One thread writes it and the same one publishes it."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

_ABOVE_ALL = float("inf")


class Tally(Collector):
    """One series of a registry, as `prometheus_client.Histogram` would show it.

    That one takes a lock for each of its numbers and looks at the buckets one after the other: with every token of
    every stream, more than all else that is measured.
    """

    def __init__(self, name: str, text: str, bounds: Sequence[float], model: str) -> None:
        """Empty, for the label `model_name`. `bounds` ascend, without infinity."""
        self._name, self._text, self._model = name, text, model
        self._bounds = (*bounds, _ABOVE_ALL)
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, or the same one several times."""
        self._counts[bisect_left(self._bounds, value)] += times
        self._sum += value * times

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """As of now; each bucket with all below it."""
        family = HistogramMetricFamily(self._name, self._text, labels=["model_name"])
        below = zip(map(floatToGoString, self._bounds), accumulate(self._counts), strict=True)
        family.add_metric([self._model], list(below), self._sum)
        yield family
