import json

import hypothesis.strategies as st
from hypothesis import given
from prometheus_client import CollectorRegistry

from inferfleet_runtime.api.sse import Seen, Splitter, Usage, read
from inferfleet_runtime.front.metrics import FINISHED, Metrics, powers
from inferfleet_runtime.front.trace import Trace


def event(payload):
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


CONTENT = event({"choices": [{"delta": {"content": "hé"}, "finish_reason": None}]})
USAGE = event({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3}})


@given(st.lists(st.sampled_from([CONTENT, USAGE, b": ping\n\n", b"data: [DONE]\n\n"])), st.data())
def test_events_come_out_whole_however_the_stream_is_cut(events, data):
    stream = b"".join(events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    splitter = Splitter()
    assert [e for piece in pieces for e in splitter.feed(piece)] == events


def test_an_event_with_text_is_a_token():
    assert read(CONTENT) == Seen(token=True)
    assert read(event({"choices": [{"text": "x", "finish_reason": None}]})).token


def test_role_end_comment_and_done_are_no_tokens():
    assert not read(event({"choices": [{"delta": {"role": "assistant", "content": None}}]})).token
    assert read(event({"choices": [{"delta": {}, "finish_reason": "stop"}]})) == Seen(finish_reason="stop")
    assert read(b": ping\n\n") == Seen()
    assert read(b"data: [DONE]\n\n") == Seen()


def test_the_usage_event_has_no_choices():
    assert read(USAGE) == Seen(usage=Usage(5, 3), choices=False)


def test_an_error_in_the_stream_is_seen():
    assert read(event({"error": {"message": "gone"}})).error == "gone"


def world(arrived=0.0):
    registry, clock = CollectorRegistry(), {"now": arrived}
    trace = Trace(Metrics(registry, "team/m", 1000), lambda: clock["now"], arrived, prompt=4)

    def value(name, **labels):
        return registry.get_sample_value(name, {"model_name": "team/m", **labels})

    return trace, clock, value


def test_a_stream_gives_ttft_inter_token_latency_and_exact_tokens():
    trace, clock, value = world()
    for at in (1.0, 1.5, 1.75):
        clock["now"] = at
        trace.see(Seen(token=True))
    assert value("vllm:generation_tokens_total") == 3  # counted as they come, not at the end
    trace.see(Seen(finish_reason="length"))
    trace.see(Seen(usage=Usage(9, 3), choices=False))
    trace.finished()
    assert value("vllm:time_to_first_token_seconds_sum") == 1.0
    assert value("vllm:inter_token_latency_seconds_sum") == 0.75
    assert value("vllm:inter_token_latency_seconds_count") == 2
    assert value("vllm:request_time_per_output_token_seconds_sum") == 0.375
    assert value("vllm:request_time_per_output_token_seconds_count") == 1
    assert value("vllm:generation_tokens_total") == 3
    assert value("vllm:prompt_tokens_total") == 9
    assert value("vllm:request_generation_tokens_sum") == 3
    assert value("vllm:request_success_total", finished_reason="length") == 1


def test_a_request_of_one_token_has_no_time_between_tokens():
    trace, _, value = world()
    trace.see(Seen(token=True))
    trace.finished()
    assert value("vllm:request_time_per_output_token_seconds_count") == 0


def test_tokens_that_were_no_event_of_their_own_are_counted_at_the_end():
    trace, _, value = world()
    trace.see(Seen(token=True))
    trace.see(Seen(usage=Usage(2, 4)))
    assert value("vllm:generation_tokens_total") == 4


def test_a_whole_answer_is_measured_by_the_engines_clock():
    trace, clock, value = world(arrived=10.0)
    clock["now"] = 13.0
    answer = {
        "choices": [{"message": {"content": "x"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 6, "completion_tokens": 5},
        "timings": {"predicted_ms": 2000.0},
    }
    trace.answer(answer)
    trace.finished()
    assert value("vllm:time_to_first_token_seconds_sum") == 1.0
    assert value("vllm:inter_token_latency_seconds_sum") == 2.0
    assert value("vllm:inter_token_latency_seconds_count") == 4
    assert value("vllm:request_time_per_output_token_seconds_sum") == 0.5
    assert value("vllm:e2e_request_latency_seconds_sum") == 3.0
    assert value("vllm:generation_tokens_total") == 5


def test_every_series_is_there_before_the_first_request():
    _, _, value = world()
    names = (
        "vllm:generation_tokens_total",
        "inferfleet:arrival_requests_total",
        "inferfleet:capacity_tokens_per_second",
    )
    assert [value(name) for name in names] == [0, 0, 0]
    assert [value("vllm:request_success_total", finished_reason=r) for r in FINISHED] == [0, 0]


def test_token_buckets_grow_as_1_2_5():
    assert powers(200) == (1, 2, 5, 10, 20, 50, 100, 200)
