"""How fast pods' pages are read, ours beside prometheus_client's parser. Measures; on one core, in processor time.

`python -m e2e.bench.autoscaler.pace.scrape` prints the figures. Both read the same pages in turns, so that a busy
machine slows both; the median of the rounds counts, their quartiles are given beside it.
"""

import json
import time
from collections.abc import Callable
from random import Random
from statistics import median, quantiles

from prometheus_client.parser import text_string_to_metric_families

from e2e.bench.autoscaler.pace.vllm_page import MODEL, page
from inferfleet.scaling.signal import parse
from inferfleet_runtime.engines.metric_names import VLLM
from inferfleet_runtime.engines.page import LabelSets
from inferfleet_runtime.engines.readings import read
from inferfleet_runtime.sidecar.series import Floor, Own, Self, exposition

PAGES = 1000
ROUNDS = 5
THEIRS_EACH = 20
"""Pages of a round for the slower one: its rate needs no thousand."""


def scrape_figures(pages: int = PAGES, rounds: int = ROUNDS, seed: int = 0) -> dict[str, float]:
    """Pages per second of one core: of vLLM by us and by prometheus_client, and samples of our own contract.

    Labels are known from earlier rounds, as they are in a pod's second scrape and all after it; `first` is the first.
    """
    rng = Random(seed)
    theirs = [page(rng) for _ in range(THEIRS_EACH)]
    about = Self(MODEL, slots=256, capacity=5000.0, healthy=True)
    contract = [exposition(about, read(each, VLLM), Own(), Floor())[0].encode() for each in theirs]
    known: LabelSets = {}
    ours_rates, first_rates, reference_rates, sample_rates = [], [], [], []
    for _ in range(rounds):
        ours_rates.append(_rate(lambda each: read(each, VLLM, known), theirs, pages))
        first_rates.append(_rate(lambda each: read(each, VLLM), theirs, pages))
        reference_rates.append(_rate(_reference, theirs, THEIRS_EACH))
        sample_rates.append(_rate(lambda each: parse(each, 0.0, known), contract, pages))
    return {
        "scrape_page_bytes": float(median(map(len, theirs))),
        "scrape_contract_page_bytes": float(median(map(len, contract))),
        **_spread("scrape_pages_per_second", ours_rates),
        **_spread("scrape_first_pages_per_second", first_rates),
        **_spread("scrape_reference_pages_per_second", reference_rates),
        **_spread("scrape_contract_pages_per_second", sample_rates),
        "scrape_speedup": round(median(ours_rates) / median(reference_rates), 1),
    }


def _reference(body: bytes) -> None:
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            float(sample.value)


def _rate(use: Callable[[bytes], object], pages: list[bytes], count: int) -> float:
    """Pages per second of processor time."""
    began = time.process_time()
    for number in range(count):
        use(pages[number % len(pages)])
    return count / (time.process_time() - began)


def _spread(name: str, rates: list[float]) -> dict[str, float]:
    low, _, high = quantiles(rates, n=4, method="inclusive")
    return {name: round(median(rates)), f"{name}_q1": round(low), f"{name}_q3": round(high)}


if __name__ == "__main__":
    print(json.dumps(scrape_figures(), indent=2))
