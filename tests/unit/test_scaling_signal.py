"""What one page of a pod says, how old signals are, and the windows that they make."""

from collections.abc import Callable
from dataclasses import replace
from math import inf

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from inferfleet.scaling.signal import (
    GatewaySample,
    PodSample,
    ages,
    extend_gateway,
    parse,
)
from inferfleet_runtime.contract import Metric
from inferfleet_runtime.front.metrics import Metrics

NEEDED = {
    Metric.ARRIVAL_REQUESTS: 7,
    Metric.GENERATION_TOKENS: 70,
    f"{Metric.REQUEST_GENERATION_TOKENS}_sum": 60,
    f"{Metric.REQUEST_GENERATION_TOKENS}_count": 6,
    Metric.REQUESTS_RUNNING: 1,
    Metric.REQUESTS_WAITING: 2,
    Metric.SLOTS: 4,
    Metric.CAPACITY: 120.5,
    Metric.PROMPT_TOKENS: 400,
    Metric.ARRIVAL_PROMPT_TOKENS: 450,
}
LEAST = PodSample(9.0, 7, 70, 6, 60, 1, 2, 4, 120.5, 400, 450)


def page(more: str = "", without: str = "") -> bytes:
    """Of a pod that says what is needed, and more."""
    lines = [f"{name} {value}\n" for name, value in NEEDED.items() if name != without]
    return ("".join(lines) + more).encode()


def test_a_pod_that_says_no_more_than_is_needed_leaves_cache_and_latencies_untold() -> None:
    assert parse(page(), 9.0) == LEAST
    assert (LEAST.kv_used, LEAST.kv_tokens, LEAST.cached) == (0.0, 0.0, 0.0)
    assert LEAST.ttft == LEAST.itl == LEAST.tpot == LEAST.queued == ()


def test_the_cache_and_latencies_are_read_where_they_are_told() -> None:
    more = f"""\
{Metric.KV_CACHE_USAGE} 0.25
{Metric.KV_CACHE_TOKENS} 32768
{Metric.PREFIX_CACHE_HITS} 120
{Metric.TTFT}_bucket{{le="0.1"}} 3
{Metric.TTFT}_bucket{{le="+Inf"}} 4
{Metric.TTFT}_sum 0.5
{Metric.TTFT}_count 4
{Metric.INTER_TOKEN_LATENCY}_bucket{{le="+Inf"}} 60
{Metric.INTER_TOKEN_LATENCY}_sum 1.5
{Metric.INTER_TOKEN_LATENCY}_count 60
{Metric.REQUEST_TPOT}_bucket{{le="0.05"}} 5
{Metric.REQUEST_TPOT}_sum 0.2
{Metric.REQUEST_TPOT}_count 6
{Metric.QUEUE_TIME}_sum 0.5
{Metric.QUEUE_TIME}_count 7
"""
    cache = {"kv_used": 0.25, "kv_tokens": 32768, "cached": 120}
    first, between = {"ttft": ((0.1, 3), (inf, 4)), "queued": ((inf, 7),)}, {"itl": ((inf, 60),)}
    told = cache | first | between | {"tpot": ((0.05, 5), (inf, 6))}
    assert parse(page(more), 9.0) == replace(LEAST, **told)


def test_what_cannot_be_a_number_of_what_is_optional_hides_nothing_else() -> None:
    assert parse(page(f"{Metric.KV_CACHE_USAGE} NaN\n"), 9.0) == LEAST


@pytest.mark.parametrize("name", NEEDED)
def test_a_page_that_lacks_what_is_needed_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        parse(page(without=name), 9.0)


def as_openmetrics(registry: CollectorRegistry) -> bytes:
    """With the colons of names, which this format may escape."""
    return openmetrics.generate_latest(registry, escaping="allow-utf-8")


@pytest.mark.parametrize("latest", [generate_latest, as_openmetrics])
def test_the_bundled_runtimes_page_is_read_in_both_formats(latest: Callable[[CollectorRegistry], bytes]) -> None:
    metrics = Metrics(CollectorRegistry(), 'team/"odd\\name"', context_tokens=100)
    metrics.watch(lambda: 3.0, lambda: 2.0, lambda: 0.5)
    metrics.follow(lambda: {Metric.PREFIX_CACHE_HITS: 40.0})
    metrics.kv_tokens.set(400)
    metrics.arrivals.inc(9)
    metrics.generation_tokens.inc(120)
    for seconds in (0.03, 0.3, 3000.0):
        metrics.ttft.observe(seconds)
    for tokens in (20, 30):
        metrics.request_tokens.observe(tokens)
    sample = parse(latest(metrics.registry), 9.0)
    assert (sample.running, sample.waiting, sample.arrivals, sample.generated) == (3, 2, 9, 120)
    assert (sample.finished, sample.finished_tokens) == (2, 50)
    assert (sample.kv_used, sample.kv_tokens, sample.cached) == (0.5, 400, 40)
    assert [count for bound, count in sample.ttft if bound in (0.02, 0.04, 0.5, inf)] == [0, 1, 2, 3]
    assert sample.itl[-1] == (inf, 0)


def test_labels_that_were_read_before_change_nothing() -> None:
    more, known = f'{Metric.PREFIX_CACHE_HITS}{{model_name="m"}} 3\n', {}
    first, again = (parse(page(more), 9.0, known) for _ in range(2))
    assert first == again == replace(LEAST, cached=3)
    assert known == {b'model_name="m"': {"model_name": "m"}}


def test_an_age_is_known_of_every_pod() -> None:
    windows = {"young": (LEAST, replace(LEAST, at=11.0)), "old": (LEAST,), "never heard": ()}
    assert ages(windows, 12.0) == {"young": 1.0, "old": 3.0, "never heard": inf}


def test_a_gateways_window_is_cut_to_its_span_and_begins_anew_with_the_gateway() -> None:
    window = ()
    for second in range(0, 50, 10):
        window = extend_gateway(window, GatewaySample(second, 5.0 * second, 100.0 * second, 0), 30.0)
    assert [sample.at for sample in window] == [10, 20, 30, 40]
    assert extend_gateway(window, GatewaySample(50, 1, 20, 0), 30.0) == (GatewaySample(50, 1, 20, 0),)
