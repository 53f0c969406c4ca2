"""Every engine's page under the canonical names, and what the scaler sees of it through the sidecar."""

from math import inf
from pathlib import Path

import pytest

from inferfleet.scaling.signal import PodSample, parse
from inferfleet_runtime.contract import Metric
from inferfleet_runtime.engines import metric_names
from inferfleet_runtime.engines.metric_names import COUNTERS, GAUGES, HISTOGRAMS, Names
from inferfleet_runtime.engines.readings import Readings, read
from inferfleet_runtime.sidecar.series import Floor, Own, Self, exposition

PAGES = Path(__file__).parent / "data" / "metrics"
TABLES = {
    "vllm": metric_names.VLLM,
    "vllm-0.8": metric_names.VLLM,
    "sglang": metric_names.SGLANG,
    "tensorrt-llm": metric_names.TENSORRT_LLM,
    "triton-tensorrt-llm": metric_names.TRITON,
    "llama.cpp": metric_names.LLAMA_CPP,
    "tgi": metric_names.TGI,
    "lmdeploy": metric_names.LMDEPLOY,
}


def page(name: str) -> bytes:
    """As the engine answers."""
    return (PAGES / f"{name}.prom").read_bytes()


def readings(name: str) -> Readings:
    """In canonical names."""
    return read(page(name), TABLES[name])


def seen(name: str) -> PodSample:
    """What the operator reads from the sidecar beside it."""
    about = Self("team/llama", slots=16, capacity=812.5, healthy=True)
    return parse(exposition(about, readings(name), Own(), Floor())[0].encode(), 9.0)


@pytest.mark.parametrize(
    ("name", "running", "waiting", "usage", "tokens"),
    [
        ("vllm", 7 + 5, 2 + 1, (0.25 + 0.35) / 2, 2 * 27423 * 16),
        ("vllm-0.8", 7, 2, 0.25, None),  # its number of blocks is `None`
        ("sglang", 6 + 4, 3, (0.5 + 0.3) / 2, 2 * 300_000),
        ("tensorrt-llm", 9, 4, 0.375, 9000 * 32),
        ("triton-tensorrt-llm", 12, 5, 0.4, 6239 * 64),
        ("llama.cpp", 4, 46, None, None),
        ("tgi", 5, 2, None, None),
        ("lmdeploy", 3, 1, 0.125, None),
    ],
)
def test_load_and_kv_cache_are_found_under_every_engines_names(
    name: str, running: float, waiting: float, usage: float | None, tokens: float | None
) -> None:
    values = readings(name).values
    assert (values[Metric.REQUESTS_RUNNING], values[Metric.REQUESTS_WAITING]) == (running, waiting)
    assert values.get(Metric.KV_CACHE_USAGE) == pytest.approx(usage) if usage else Metric.KV_CACHE_USAGE not in values
    assert values.get(Metric.KV_CACHE_TOKENS) == tokens


@pytest.mark.parametrize(
    ("name", "prompt", "generated", "cached", "arrived"),
    [
        ("vllm", 1_325_000, 80_000, 40_000, 580 + 70 + 4 + 12 + 3 + 4),
        ("vllm-0.8", 1_250_000, 41_000, 30_000, 343 + 7 + 2),
        ("sglang", 8_128_902, 7_557_572, 2_050_000, 11_008 + 10 + 3),
        ("tensorrt-llm", 600_000, 90_000, 120_000, 450 + 9 + 4),
        ("triton-tensorrt-llm", 166_400, 31_200, None, 208 + 12 + 5),
        ("tgi", 512_000, 100_000, None, 1010),  # which counts what arrives
        ("lmdeploy", 20_000, 9_100, None, 75 + 3 + 1),
    ],
)
def test_tokens_and_requests_are_found_under_every_engines_names(
    name: str, prompt: float, generated: float, cached: float | None, arrived: float
) -> None:
    found = readings(name)
    assert (found.values[Metric.PROMPT_TOKENS], found.generated) == (prompt, generated)
    assert found.values.get(Metric.PREFIX_CACHE_HITS) == cached
    assert found.arrived == arrived


@pytest.mark.parametrize(
    ("name", "metric", "bucket", "seconds", "count"),
    [
        ("vllm", Metric.TTFT, ("0.1", 400), 129.0, 682),
        ("vllm", Metric.INTER_TOKEN_LATENCY, ("0.025", 60_000), 1900.5, 81_002),
        ("vllm-0.8", Metric.INTER_TOKEN_LATENCY, ("0.025", 30_000), 950.25, 40_501),
        ("sglang", Metric.TTFT, ("0.2", 9000), 2351.5, 11_008),
        ("sglang", Metric.QUEUE_TIME, ("0.5", 11_000), 400.0, 11_008),
        ("vllm", Metric.REQUEST_TPOT, ("0.025", 600), 15.0, 680),
        ("sglang", Metric.REQUEST_TPOT, ("0.025", 11_000), 132.0, 11_008),
        ("tensorrt-llm", Metric.REQUEST_TPOT, ("0.025", 440), 7.5, 450),
        ("triton-tensorrt-llm", Metric.TTFT, ("0.5", 190), 46.0, 208),  # from milliseconds
        ("tgi", Metric.INTER_TOKEN_LATENCY, ("0.02", 300), 27.5, 1000),
        ("lmdeploy", Metric.INTER_TOKEN_LATENCY, ("0.01", 100), 150.0, 9021),  # the newer of two names
    ],
)
def test_latencies_are_found_in_seconds(
    name: str, metric: str, bucket: tuple[str, float], seconds: float, count: float
) -> None:
    found = readings(name).distributions[metric]
    assert (found.buckets[bucket[0]], found.sum, found.count) == (bucket[1], seconds, count)


@pytest.mark.parametrize("name", sorted(set(TABLES) - {"llama.cpp"}))
def test_the_scaler_sees_every_engine_through_the_sidecar(name: str) -> None:
    sample, own = seen(name), readings(name)
    assert (sample.running + sample.waiting, sample.arrivals) == (own.open, own.arrived)
    assert (sample.generated, sample.prompted) == (own.generated, own.values[Metric.PROMPT_TOKENS])
    assert (sample.finished, sample.finished_tokens) == (own.lengths.count, own.lengths.sum)
    assert sample.kv_tokens == own.values.get(Metric.KV_CACHE_TOKENS, 0.0)
    assert sample.kv_used == pytest.approx(own.values.get(Metric.KV_CACHE_USAGE, 0.0))
    assert sample.cached == own.values.get(Metric.PREFIX_CACHE_HITS, 0.0)
    for buckets, metric in (
        (sample.ttft, Metric.TTFT),
        (sample.itl, Metric.INTER_TOKEN_LATENCY),
        (sample.tpot, Metric.REQUEST_TPOT),
        (sample.queued, Metric.QUEUE_TIME),
    ):
        assert buckets == (own.distributions[metric].rising() if metric in own.distributions else ())


def test_buckets_of_several_engines_add_up_and_rise_to_infinity() -> None:
    buckets = seen("vllm").ttft
    assert [bound for bound, _ in buckets] == sorted({bound for bound, _ in buckets})
    assert (buckets[0], buckets[7], buckets[-1]) == ((0.001, 0.0), (0.1, 400.0), (inf, 682.0))


def test_a_histogram_without_its_last_bucket_has_the_count_there() -> None:
    text = b'h_bucket{le="1"} 2\nh_sum 4\nh_count 3\n'
    found = read(text, {Metric.TTFT: metric_names.Series(("h",))})
    assert found.distributions[Metric.TTFT].rising() == ((1.0, 2.0), (inf, 3.0))


@pytest.mark.parametrize("number", ["NaN", "+Inf"])
def test_what_is_no_number_was_not_told(number: str) -> None:
    text = f"g {number}\nh_sum {number}\nh_count 3\n".encode()
    found = read(
        text, {name: metric_names.Series((of,)) for name, of in ((Metric.KV_CACHE_USAGE, "g"), (Metric.TTFT, "h"))}
    )
    assert (found.values, found.distributions) == ({}, {})


@pytest.mark.parametrize("bound", ["NaN", "x", ""])
def test_a_bucket_without_a_bound_is_refused(bound: str) -> None:
    text = f'h_bucket{{le="{bound}"}} 2\nh_sum 4\nh_count 3\n'.encode()
    with pytest.raises(ValueError, match=r"bound|float"):
        read(text, {Metric.TTFT: metric_names.Series(("h",))})


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_name_is_of_a_metric_whose_kind_is_known(table: Names) -> None:
    assert set(table) <= {*GAUGES, *COUNTERS, *HISTOGRAMS}


def test_there_is_a_source_for_the_names_of_every_engine() -> None:
    assert {name.removesuffix("-0.8").removesuffix("-tensorrt-llm") for name in TABLES} == set(metric_names.SOURCES)
