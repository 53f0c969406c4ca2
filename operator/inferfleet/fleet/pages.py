"""What one round of scraping says: each pod's sample, and the totals of its tenants. Pure but for what it remembers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from inferfleet.costing.tenants import parse as tenants_of
from inferfleet.costing.types import Tokens
from inferfleet.scaling.signal import PodSample, parse
from inferfleet_runtime.engines.page import LabelSets


@dataclass(frozen=True)
class Page:
    """What a pod answered."""

    sample: PodSample | None
    """None of one that cannot be used."""
    tenants: Mapping[str, Tokens]


class Reader:
    """Remembers labels, which are the same at every scrape."""

    def __init__(self) -> None:
        self._labels: LabelSets = {}

    def read(self, pages: Mapping[str, bytes], now: float) -> Iterator[tuple[str, Page]]:
        """One after the other by uid: a page takes about half a millisecond, and there are hundreds.

        Samples of one round have one time, so that what several pods counted in it can be added up.
        """
        for uid, page in pages.items():
            yield uid, Page(self._sample(page, now), tenants_of(page))

    def _sample(self, page: bytes, now: float) -> PodSample | None:
        try:
            return parse(page, now, self._labels)
        except ValueError:
            return None
