"""Engines' series under the canonical names, and what the sidecar makes of them."""

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from e2e.vendor.series import Series as StandInSeries
from inferfleet.scaling.signal import parse
from inferfleet_runtime.contract import Metric
from inferfleet_runtime.engines.readings import Readings, read, scaled
from inferfleet_runtime.engines.vendors.max_serve import MAX
from inferfleet_runtime.engines.vendors.ray_serve import RAY_SERVE
from inferfleet_runtime.engines.vendors.render import VENDORS
from inferfleet_runtime.engines.vendors.sglang import SGLANG
from inferfleet_runtime.engines.vendors.tgi import TGI
from inferfleet_runtime.engines.vendors.vllm import VLLM
from inferfleet_runtime.sidecar.health import Health, Timing
from inferfleet_runtime.sidecar.series import Floor, Own, Self, exposition

ABOUT = Self("team/llama", 16, 812.5, True)


def vllm_text(running: int = 2, waiting: int = 1, ended: int = 5, tokens: int = 40) -> str:
    made = StandInSeries("team/llama", running, waiting, prompt_tokens=100, generation_tokens=tokens)
    made.finished |= {"length": ended}
    made.tokens.values = [8.0] * ended
    made.ttft.values = [0.05, 0.3]
    return made.text()


def shown(readings: Readings | None, own: Own | None = None) -> str:
    return exposition(ABOUT, readings, own or Own(), Floor())[0]


def test_the_scaler_reads_what_it_needs() -> None:
    sample = parse(shown(read(vllm_text().encode(), VLLM.series)).encode(), 1.0)
    assert (sample.running, sample.waiting, sample.slots, sample.capacity) == (2, 1, 16, 812.5)
    assert (sample.generated, sample.finished, sample.finished_tokens) == (40, 5, 40)
    assert sample.arrivals == 8  # five have ended, three are open


def test_requests_of_the_sidecar_are_left_out_of_everything_that_is_counted() -> None:
    own = Own({8: 2, 1: 1}, prompt_tokens=30, running=1)
    text = shown(read(vllm_text(ended=6, tokens=50).encode(), VLLM.series), own)
    sample = parse(text.encode(), 1.0)
    assert (sample.generated, sample.running) == (50 - 17, 1)
    assert (sample.finished, sample.finished_tokens) == (3, 48 - 17)
    assert sample.arrivals == 6 + 3 - 3 - 1
    assert 'vllm:prompt_tokens_total{model_name="team/llama"} 70' in text
    buckets = {s.labels["le"]: s.value for f in text_string_to_metric_families(text) for s in f.samples
               if s.name == f"{Metric.REQUEST_GENERATION_TOKENS}_bucket"}  # fmt: skip
    assert buckets["+Inf"] == 3
    assert buckets["5.0"] == 0


def test_counters_do_not_fall_while_a_request_of_ours_is_counted_there_and_not_yet_here() -> None:
    ahead = read(vllm_text(ended=6, tokens=41, running=0, waiting=0).encode(), VLLM.series)
    first, floor = exposition(ABOUT, ahead, Own(), Floor())
    second, floor = exposition(ABOUT, ahead, Own({1: 1}, 1), floor)
    assert parse(second.encode(), 2.0).generated == parse(first.encode(), 1.0).generated == 41
    anew, _ = exposition(ABOUT, read(vllm_text(0, 0, 0, 0).encode(), VLLM.series), Own(), floor)
    assert parse(anew.encode(), 3.0).generated == 0  # another process


def test_an_engine_without_the_series_of_its_load_gets_none() -> None:
    for text in ("", "# TYPE vllm:prompt_tokens_total counter\nvllm:prompt_tokens_total 3\n"):
        shown_text = shown(read(text.encode(), VLLM.series))
        assert "inferfleet:engine_metrics_readable" in shown_text
        with pytest.raises(ValueError, match="metrics without"):
            parse(shown_text.encode(), 1.0)


def test_requests_that_the_engine_refused_have_arrived() -> None:
    refused = '# TYPE vllm:admission_rejections_total counter\nvllm:admission_rejections_total{engine="0"} 9\n'
    text = shown(read((vllm_text() + refused).encode(), VLLM.series))
    assert parse(text.encode(), 1.0).arrivals == 8 + 9
    assert 'inferfleet:rejected_requests_total{model_name="team/llama"} 9' in text


def test_what_is_no_exposition_is_an_error() -> None:
    with pytest.raises(ValueError, match="html"):
        read(b"<html>", VLLM.series)


SGLANG_TEXT = """\
# TYPE sglang:num_running_reqs gauge
sglang:num_running_reqs{model_name="m",tp_rank="0"} 3
# TYPE sglang:num_queue_reqs gauge
sglang:num_queue_reqs{model_name="m",tp_rank="0"} 2
# TYPE sglang:token_usage gauge
sglang:token_usage{model_name="m",tp_rank="0"} 0.25
# TYPE sglang:generation_tokens_total counter
sglang:generation_tokens_total{model_name="m"} 900
# TYPE sglang:prompt_tokens_total counter
sglang:prompt_tokens_total{model_name="m"} 4000
# TYPE sglang:num_requests_total counter
sglang:num_requests_total{model_name="m"} 30
# TYPE sglang:time_to_first_token_seconds histogram
sglang:time_to_first_token_seconds_bucket{le="0.1",model_name="m"} 20
sglang:time_to_first_token_seconds_bucket{le="+Inf",model_name="m"} 30
sglang:time_to_first_token_seconds_sum{model_name="m"} 4.5
sglang:time_to_first_token_seconds_count{model_name="m"} 30
"""


def test_sglang_is_read_too_and_lengths_are_made_of_totals() -> None:
    text = shown(read(SGLANG_TEXT.encode(), SGLANG.series))
    sample = parse(text.encode(), 1.0)
    assert (sample.running, sample.waiting, sample.generated, sample.arrivals) == (3, 2, 900, 35)
    assert (sample.finished, sample.finished_tokens) == (30, 900)
    assert 'vllm:time_to_first_token_seconds_bucket{model_name="team/llama",le="0.1"} 20' in text
    assert 'vllm:kv_cache_usage_perc{model_name="team/llama"} 0.25' in text


def test_caches_of_several_engines_are_averaged_and_loads_add_up() -> None:
    text = vllm_text(running=4)
    second = text.replace('engine="0"', 'engine="1"').replace("# TYPE", "# HELP")
    both = "\n".join(line for line in (text + second).splitlines() if not line.startswith("#")) + "\n"
    found = read(both.encode(), VLLM.series)
    assert found.values[Metric.REQUESTS_RUNNING] == 8
    assert found.values[Metric.KV_CACHE_USAGE] == 0.04


def test_milliseconds_become_seconds() -> None:
    text = """\
# TYPE maxserve_num_requests_running gauge
maxserve_num_requests_running 1
# TYPE maxserve_num_requests_queued gauge
maxserve_num_requests_queued 0
# TYPE maxserve_num_output_tokens_total counter
maxserve_num_output_tokens_total 12
# TYPE maxserve_time_to_first_token_milliseconds histogram
maxserve_time_to_first_token_milliseconds_bucket{le="250.0"} 1
maxserve_time_to_first_token_milliseconds_bucket{le="+Inf"} 2
maxserve_time_to_first_token_milliseconds_sum 800
maxserve_time_to_first_token_milliseconds_count 2
"""
    found = read(text.encode(), MAX.series)
    assert found.generated == 12
    ttft = found.distributions[Metric.TTFT]
    assert (ttft.sum, ttft.count, dict(ttft.buckets)) == (0.8, 2, {"0.25": 1, "+Inf": 2})
    assert scaled("+Inf", 0.001) == "+Inf"


def test_an_engine_that_counts_tokens_of_finished_requests_alone_is_read_by_these() -> None:
    text = """\
# TYPE tgi_batch_current_size gauge
tgi_batch_current_size 2
# TYPE tgi_queue_size gauge
tgi_queue_size 5
# TYPE tgi_request_generated_tokens histogram
tgi_request_generated_tokens_bucket{le="+Inf"} 4
tgi_request_generated_tokens_sum 100
tgi_request_generated_tokens_count 4
"""
    sample = parse(shown(read(text.encode(), TGI.series)).encode(), 1.0)
    assert (sample.generated, sample.finished, sample.arrivals) == (100, 4, 11)


def test_rays_names_are_found() -> None:
    renamed = vllm_text().replace("vllm:", "ray_vllm_")
    assert read(renamed.encode(), RAY_SERVE.series).values[Metric.REQUESTS_RUNNING] == 2


def test_every_engine_that_has_a_sidecar_says_where_its_load_is() -> None:
    for engine in VENDORS.values():
        if engine.shape == "Beside":
            assert {Metric.REQUESTS_RUNNING, Metric.REQUESTS_WAITING} <= set(engine.series), engine.name


def test_one_that_starts_is_left_alone_and_one_that_hangs_is_not() -> None:
    timing = Timing(hung_after=60.0)
    starting = Health(0.0)
    assert starting.live(10_000.0, timing)
    well = starting.seen_well(100.0)
    assert well.live(10_000.0, timing)
    silent = well.seen_ill("no answer")
    assert silent.live(160.0, timing)
    assert not silent.live(160.1, timing)
    assert not silent.well
    assert silent.started
    down = silent.seen_down("refused", 200.0)
    assert down.live(10_000.0, timing)
    assert not down.started
    assert replace(silent.seen_well(300.0), alive_at=0.0) == replace(well, alive_at=0.0)
