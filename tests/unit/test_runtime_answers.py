"""What clients get: embeddings, completions with logprobs, adapters, and the bytes of a stream."""

import json

import pytest
from fakes.configs import runtime_config

from inferfleet_runtime.api.calls import Limits, limits
from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.api.requests import parse
from inferfleet_runtime.api.sse import interpret, read
from inferfleet_runtime.api.streams import Outgoing
from inferfleet_runtime.api.work import Work

LIMITS = Limits(names=frozenset({"m"}), context_tokens=100, default_output_tokens=40)
CHAT, TEXT, EMBED, RESPOND = "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"


def event(payload, **separators):
    return b"data: " + json.dumps(payload, **separators).encode() + b"\n\n"


def refused(body, endpoint, limit=LIMITS):
    with pytest.raises(ApiError) as raised:
        parse({"model": "m", **body}, endpoint, limit)
    return raised.value.status, raised.value.param


@pytest.mark.parametrize(
    ("given", "tokens"),
    [("x" * 40, 10), (["x" * 40, "y" * 20], 15), ([1, 2, 3], 3), ([[1, 2, 3], [4]], 4), (["x" * 40, [1]], 11)],
)
def test_embeddings_take_texts_and_token_ids(given, tokens):
    call = parse({"model": "m", "input": given}, EMBED, LIMITS)
    assert call.work == Work(prompt=tokens, output=0)
    assert call.body == {"model": "m", "input": given, "encoding_format": "float"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": {"a": 1}}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": [1] * 101}, "input"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format"),
        ({"input": "a", "dimensions": 4}, "dimensions"),
    ],
)
def test_a_malformed_embedding_names_its_parameter(fields, param):
    assert refused(fields, EMBED) == (400, param)


@pytest.mark.parametrize(
    ("endpoint", "fields", "param"),
    [
        (CHAT, {"temperature": 3}, "temperature"),
        (CHAT, {"temperature": True}, "temperature"),
        (CHAT, {"top_p": -0.1}, "top_p"),
        (CHAT, {"seed": 1.5}, "seed"),
        (CHAT, {"stop": ["a", ""]}, "stop"),
        (CHAT, {"stop": 5}, "stop"),
        (CHAT, {"logit_bias": {"the": 5}}, "logit_bias"),
        (CHAT, {"logit_bias": {"5": 101}}, "logit_bias"),
        (CHAT, {"presence_penalty": "1"}, "presence_penalty"),
        (CHAT, {"top_logprobs": 3}, "top_logprobs"),
        (CHAT, {"logprobs": 1}, "logprobs"),
        (CHAT, {"response_format": {"type": "xml"}}, "response_format"),
        (CHAT, {"response_format": {"type": "json_schema", "json_schema": {"schema": 5}}}, "response_format"),
        (CHAT, {"messages": [{"content": "no role"}]}, "messages[0].role"),
        (CHAT, {"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
        (TEXT, {"logprobs": True}, "logprobs"),
        (TEXT, {"logprobs": 6}, "logprobs"),
        (TEXT, {"echo": True}, "echo"),
        (TEXT, {"suffix": "x"}, "suffix"),
    ],
)
def test_a_value_out_of_its_range_is_named(endpoint, fields, param):
    body = {"prompt": "x"} if endpoint == TEXT else {"messages": [{"role": "user", "content": "x"}]}
    assert refused(body | fields, endpoint) == (400, param)


def test_a_seed_of_64_bits_becomes_one_that_the_engine_tells_from_none():
    for seed in (-1, 2**32 - 1, 2**40 + 3):
        sent = parse({"model": "m", "prompt": "x", "seed": seed}, TEXT, LIMITS).body["seed"]
        assert 0 <= sent < 2**32 - 1


def test_with_sinks_an_answer_may_be_longer_than_the_context():
    sliding = Limits(names=frozenset({"m"}), context_tokens=100, default_output_tokens=40, slides=True)
    assert parse({"model": "m", "prompt": "x", "max_tokens": 5000}, TEXT, sliding).work.output == 5000
    assert parse({"model": "m", "prompt": "x" * 4000}, TEXT, sliding).work.output == 40
    assert refused({"prompt": "x", "max_tokens": 5000}, TEXT) == (400, "max_tokens")


def adapted():
    source = {"uri": "file:///m.gguf"}
    adapters = [{"name": name, "source": source} for name in ("chat", "law", "tax")]
    return limits(runtime_config(slots=1, contextTokens=100, adapters=adapters))


@pytest.mark.parametrize("name", ["tax", "m:tax", "team/m:tax"])
def test_an_adapter_is_a_model_by_three_names(name):
    call = parse({"model": name, "prompt": "x"}, TEXT, adapted())
    assert call.body["lora"] == [{"id": 2, "scale": 1.0}]
    assert Outgoing(call).answer(b"", {"model": "team/m"}) == json.dumps({"model": name}).encode()
    changed = Outgoing(call).event(event({"model": "team/m", "choices": [{"text": "a"}]}), interpret({}))
    assert json.loads(changed[len(b"data: ") :])["model"] == name


@pytest.mark.parametrize("name", ["m", "team/m", "m:chat"])
def test_the_model_itself_has_no_adapter_even_where_one_is_named_as_the_class(name):
    assert parse({"model": name, "prompt": "x"}, TEXT, adapted()).body["lora"] == []


def test_an_unknown_adapter_is_not_found_and_the_known_ones_are_named():
    with pytest.raises(ApiError) as raised:
        parse({"model": "m:none", "prompt": "x"}, TEXT, adapted())
    assert raised.value.status == 404
    assert "m:law" in raised.value.message


def token(text, logprob):
    top = [{"token": text, "logprob": logprob}, {"token": "z", "logprob": -9.0}]
    return {"id": 1, "token": text, "logprob": logprob, "top_logprobs": top}


def test_logprobs_of_a_completion_are_lists_with_offsets_across_a_stream():
    outgoing = Outgoing(parse({"model": "m", "prompt": "x", "logprobs": 2, "stream": True}, TEXT, LIMITS))

    def sent(text, logprob):
        choice = {"text": text, "index": 0, "logprobs": {"content": [token(text, logprob)]}, "finish_reason": None}
        raw = event({"choices": [choice]})
        return json.loads(outgoing.event(raw, read(raw))[len(b"data: ") :])["choices"][0]["logprobs"]

    assert sent("abc", -1.0)["text_offset"] == [0]
    second = sent(" d", -2.0)
    assert second["text_offset"] == [3]
    assert second["tokens"] == [" d"]
    assert second["token_logprobs"] == [-2.0]
    assert second["top_logprobs"] == [{" d": -2.0, "z": -9.0}]


TOKENS = [
    {"choices": [{"finish_reason": None, "index": 0, "delta": {"content": "x"}}]},
    {"choices": [{"finish_reason": None, "index": 0, "delta": {"content": ""}}]},
    {"choices": [{"finish_reason": None, "index": 0, "delta": {"content": '"finish_reason":"stop"'}}]},
    {"choices": [{"finish_reason": None, "index": 0, "delta": {"role": "assistant", "content": None}}]},
    {"choices": [{"finish_reason": "length", "index": 0, "delta": {}}]},
    {"choices": [{"text": "x", "index": 0, "logprobs": None, "finish_reason": None}]},
    {"choices": [{"text": "", "index": 0, "logprobs": None, "finish_reason": None}]},
    {"choices": [{"text": '"finish_reason":null', "index": 0, "logprobs": None, "finish_reason": "stop"}]},
    {
        "choices": [{"text": "\\", "index": 0, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    },
    {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
]


@pytest.mark.parametrize("payload", TOKENS)
def test_the_short_way_to_read_an_event_agrees_with_decoding_it(payload):
    assert read(event(payload, separators=(",", ":"))) == interpret(payload)
    assert read(event(payload)) == interpret(payload)


def test_responses_are_named_events_without_an_end_mark():
    outgoing = Outgoing(parse({"model": "m", "input": "x", "stream": True}, RESPOND, LIMITS))
    raw = event({"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {"content": "a"}}]})
    first = outgoing.event(raw, read(raw))
    assert first.startswith(b"event: response.created\ndata: {")
    assert first.endswith(b"\n\n")
    assert outgoing.event(b"data: [DONE]\n\n", read(b"data: [DONE]\n\n")) == b""
    assert outgoing.error(ApiError(502, "gone")).startswith(b"event: error\ndata: {")
