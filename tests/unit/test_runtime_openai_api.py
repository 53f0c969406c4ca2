import json

import pytest

from inferfleet_runtime.api.calls import Limits
from inferfleet_runtime.api.errors import ApiError, from_engine
from inferfleet_runtime.api.requests import decode, parse
from inferfleet_runtime.api.work import Work

NAMES = frozenset({"team/m", "m", "team/m:chat", "m:chat"})
LIMITS = Limits(names=NAMES, context_tokens=100, default_output_tokens=40)
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"


def chat(**fields):
    return {"model": "m", "messages": [{"role": "user", "content": "x" * 40}], **fields}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_model_may_be_named_in_four_ways(name):
    assert parse(chat(model=name), CHAT, LIMITS)


@pytest.mark.parametrize("name", ["gpt-5", "other/m", "m:batch", "team/m:"])
def test_any_other_model_is_not_found(name):
    with pytest.raises(ApiError) as raised:
        parse(chat(model=name), CHAT, LIMITS)
    assert (raised.value.status, raised.value.code, raised.value.param) == (404, "model_not_found", "model")


def test_size_is_estimated_at_four_bytes_a_token():
    assert parse(chat(max_tokens=7), CHAT, LIMITS).work == Work(prompt=14, output=7)
    assert parse({"model": "m", "prompt": "y" * 40, "max_tokens": 7}, TEXT, LIMITS).work == Work(10, 7)
    assert parse({"model": "m", "prompt": [5, 6, 7], "max_tokens": 7}, TEXT, LIMITS).work == Work(3, 7)


def test_content_in_parts_counts_its_text():
    parts = [{"type": "text", "text": "z" * 20}, {"type": "text", "text": "z" * 20}]
    assert parse(chat(messages=[{"role": "user", "content": parts}]), CHAT, LIMITS).work.prompt == 16


def test_without_max_tokens_the_answer_may_fill_the_context_up_to_the_usual_length():
    assert parse(chat(), CHAT, LIMITS).body["max_tokens"] == 40
    long = chat(messages=[{"role": "user", "content": "x" * 320}])
    assert parse(long, CHAT, LIMITS).body["max_tokens"] == 100 - 84


def test_max_completion_tokens_is_the_newer_name():
    call = parse(chat(max_completion_tokens=9), CHAT, LIMITS)
    assert call.body["max_tokens"] == 9
    assert "max_completion_tokens" not in call.body


def test_more_than_the_context_is_refused_with_its_code():
    with pytest.raises(ApiError) as raised:
        parse(chat(max_tokens=100), CHAT, LIMITS)
    assert (raised.value.status, raised.value.code) == (400, "context_length_exceeded")
    assert "100" in raised.value.message


@pytest.mark.parametrize(
    ("endpoint", "body", "param"),
    [
        (CHAT, chat(max_tokens=0), "max_tokens"),
        (CHAT, chat(max_tokens="9"), "max_tokens"),
        (CHAT, chat(max_tokens=True), "max_tokens"),
        (CHAT, chat(n=2), "n"),
        (CHAT, chat(stream="yes"), "stream"),
        (CHAT, chat(stream_options={"include_usage": True}), "stream_options"),
        (CHAT, chat(messages=[]), "messages"),
        (CHAT, chat(messages="hi"), "messages"),
        (CHAT, {"messages": [{}]}, "model"),
        (TEXT, {"model": "m"}, "prompt"),
        (TEXT, {"model": "m", "prompt": ["a", "b"]}, "prompt"),
        (TEXT, {"model": "m", "prompt": []}, "prompt"),
        (CHAT, ["m"], None),
    ],
)
def test_a_malformed_request_names_its_parameter(endpoint, body, param):
    with pytest.raises(ApiError) as raised:
        parse(body, endpoint, LIMITS)
    assert (raised.value.status, raised.value.param) == (400, param)
    assert raised.value.body()["error"]["type"] == "invalid_request_error"


def test_usage_is_always_asked_of_the_engine_and_remembered_for_the_client():
    call = parse(chat(stream=True), CHAT, LIMITS)
    assert call.body["stream_options"] == {"include_usage": True}
    assert not call.include_usage
    assert parse(chat(stream=True, stream_options={"include_usage": True}), CHAT, LIMITS).include_usage


@pytest.mark.parametrize("endpoint", [CHAT, TEXT])
@pytest.mark.parametrize(
    "name", ["n_cmpl", "n_predict", "id_slot", "response_fields", "grammar", "json_schema", "nonsense"]
)
def test_a_parameter_that_is_not_openais_is_refused_by_its_name(endpoint, name):
    body = chat() if endpoint == CHAT else {"model": "m", "prompt": "x"}
    with pytest.raises(ApiError) as raised:
        parse(body | {name: 2}, endpoint, LIMITS)
    assert (raised.value.status, raised.value.code, raised.value.param) == (400, "unknown_parameter", name)


def test_a_parameter_of_the_other_endpoint_is_refused():
    with pytest.raises(ApiError) as raised:
        parse({"model": "m", "prompt": "x", "messages": []}, TEXT, LIMITS)
    assert (raised.value.code, raised.value.param) == ("unknown_parameter", "messages")


def test_only_what_the_engine_needs_is_forwarded():
    call = parse(chat(temperature=0.5, ignore_eos=True, user="u", metadata={}, n=1, store=False), CHAT, LIMITS)
    assert call.body.keys() == {"model", "messages", "temperature", "ignore_eos", "max_tokens"}


def test_a_developer_is_a_system_to_the_template():
    messages = [{"role": "developer", "content": "be brief"}, {"role": "user", "content": "x"}]
    sent = parse(chat(messages=messages), CHAT, LIMITS).body["messages"]
    assert [message["role"] for message in sent] == ["system", "user"]


def test_the_functions_that_must_be_called_are_told_in_the_one_system_message():
    tools = [{"type": "function", "function": {"name": "clock"}}]
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "x"}]
    sent = parse(chat(messages=messages, tools=tools, tool_choice="required"), CHAT, LIMITS).body
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert sent["messages"][0]["content"].startswith("be brief")
    assert "clock" in sent["messages"][0]["content"]
    assert "tools" not in sent
    assert messages[0]["content"] == "be brief"


def test_null_is_the_same_as_absent():
    call = parse(chat(temperature=None, max_tokens=None, stream=None, n=None, n_cmpl=None), CHAT, LIMITS)
    assert call.body == {**chat(), "max_tokens": 40}


def test_calls_of_tools_in_a_message_count_too():
    called = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "x" * 39}}]}
    assert parse(chat(messages=[called]), CHAT, LIMITS).work.prompt == 14


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"{", "not JSON"),
        (b'{"a": "\xff"}', "not JSON"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": 1e999}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a": ["\\ud800"]}', "lone surrogate"),
        (b'{"\\udfff": 1}', "lone surrogate"),
    ],
)
def test_what_cannot_be_sent_on_as_json_is_a_400(raw, says):
    with pytest.raises(ApiError) as raised:
        decode(raw)
    assert raised.value.status == 400
    assert says in raised.value.message


def test_a_pair_of_surrogates_is_a_character():
    assert decode(json.dumps({"a": "\U0001f600"}).encode()) == {"a": "\U0001f600"}


def test_the_engines_context_error_gets_openais_code():
    error = {"type": "exceed_context_size_error", "n_prompt_tokens": 500, "n_ctx": 256, "message": "..."}
    translated = from_engine(400, error, 100, "input")
    assert (translated.status, translated.code) == (400, "context_length_exceeded")
    assert translated.param == "input"
    assert "500 tokens" in translated.message


def test_other_engine_errors_keep_their_status_and_message():
    assert from_engine(400, {"message": "bad grammar"}, 100, "prompt").message == "bad grammar"
    assert from_engine(500, {}, 100, "prompt").type == "server_error"
